"""``paceline demo``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from paceline.demo.run import DemoOptions, main
from paceline.options import OutputOptions


def demo(  # noqa: PLR0913 each is an option of the command
    *,
    headless: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    seconds: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    model: Path | None = None,
    devices: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=16))] = 3,
    broker: Literal["auto", "mosquitto", "rumqttd"] = "auto",
    window: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    page: bool = True,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Watch a real model run across three agents on this machine.

    Args:
        headless: No live table; ends by itself.
        seconds: How long to stream; else until Ctrl-C, or 10 s headless or without a terminal.
        model: Any ONNX or TFLite model; else text detection with real weights.
        devices: How many agents, and segments.
        broker: Which broker to start.
        window: Frames in flight at most; else two for each device.
        page: Serve the live page on loopback, port 8787 or a free one.
        how: How to answer.
    """
    return main(
        DemoOptions(
            headless=headless,
            seconds=seconds,
            as_json=how.json,
            model=model,
            devices=devices,
            broker=broker,
            window=window,
            page=page,
        )
    )
