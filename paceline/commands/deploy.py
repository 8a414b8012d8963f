"""``paceline deploy``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter, validators
from rich.console import Console
from rich.table import Table

from fleet import edge_codecs, keys, split_folder
from fleet.codec_effects.report import Bounds
from fleet.control import deploy as deployer
from fleet.control.deploy import Deployment, DeployRequest
from fleet.control.deployments import Promise
from fleet.deploy_options import DeployOptions
from fleet.errors import BadRequestError
from fleet.runtime_choice import AUTO
from fleet.simulator.predicting import Prediction
from paceline import record
from paceline.bound_options import BoundOptions
from paceline.connection import connected
from paceline.deploy_view import DeployView, clients_place, fallbacks
from paceline.formatting import prediction_text, seconds_text
from paceline.options import OutputOptions, SiteOptions, Timeout
from paceline.output import Output
from paceline.serving import listen_address
from wire import link_names
from wire.codec_names import DEFAULT
from wire.manifest import Manifest
from wire.messages import Batching

NOBODY: Final = "none"

Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=256))]


def deploy(  # noqa: PLR0913 one for each option
    folder: Path,
    /,
    *,
    to: str | None = None,
    plan: Annotated[Path | None, Parameter(show_default=False)] = None,
    name: str | None = None,
    timeout: Timeout = 120.0,
    codec: str | None = None,
    link: str | None = None,
    runtime: str | None = None,
    require_accelerator: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    bounds: BoundOptions = BoundOptions(),  # noqa: B008 frozen
    examples: Annotated[Path | None, Parameter(name="--inputs")] = None,
    max_batch: Count = 1,
    max_wait: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = 0.0,
    serve: str | None = None,
    trust: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    force: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Put the segments on devices and wait until they serve.

    Args:
        folder: What `paceline split` or `paceline pipeline compose` wrote.
        to: The devices, one for each segment in order: d1,d2,d3; d1,d2+d3 serves the second
            segment on two devices.
        plan: Instead of --to, --codec and --link: what `paceline plan MODEL --json` printed. The
            folder must be cut as planned.
        name: The pipeline's name; else the split's.
        codec: How stages send tensors to each other: raw, fp16, int8_channel, int8_token or
            int8_tensor, each perhaps +zstd; one for each edge: entry=fp16,0=int8_channel,1=raw
            (entry: how clients send; 0: what stage 0 sends). Else that of the settings, or raw.
        link: What carries tensors from stage to stage: mqtt (through the broker, where any client
            sees them), paho (the same by another library, much slower), tcp or uds (direct), auto
            (the best that both reach), or direct (the best but for the broker, which sees none of
            them); so for clients on the first and last device, too. One for what each stage sends:
            0=tcp,1=mqtt; auto,entry=mqtt keeps to the broker what clients send, auto,entry=direct
            keeps it from there. Else that of the settings, or mqtt.
        runtime: What runs the segments: auto (the best that each device has proved: a Coral for
            what was compiled for it, a GPU, OpenVINO, else the processor), a runtime such as
            onnx_cpu, or one for a stage or a device: auto,1=onnx_tensorrt,d2=tflite_edgetpu@usb:1.
            Else auto, or what the plan was made for.
        require_accelerator: Let a device fail where it would fall back to its processor, and run
            what is compiled for an Edge TPU on one or not at all.
        bounds: How far the codec may move the outputs: tried before anything is written, as by
            paceline verify --codec.
        examples: A folder of .npz files to try it with; else inputs are made up.
        max_batch: Frames that wait may run at once, up to so many, in segments whose tensors have
            a batch dimension.
        max_wait: Seconds that the first of them waits for others.
        timeout: Seconds until every segment must serve; then all is put back.
        serve: HOST:PORT where agents fetch the segments until all is done (their
            artifacts.origin); none: they are served elsewhere. Else 127.0.0.1:8788 for a broker
            on this machine, 0.0.0.0:8788 for any other.
        trust: A public key whose earlier orders are carried on; may be repeated.
        force: Stop what devices run by orders that cannot be proved, and replace what is nobody's
            order.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    loaded, output = where.load().settings, how.output
    options, promise = _options(folder, plan, to, codec, link)
    private = keys.load_or_make(key or keys.default_path(os.environ))
    address = None if serve == NOBODY else serve or listen_address(loaded.broker.url)
    request = DeployRequest(
        topics=loaded.topics,
        folder=folder,
        devices=options.devices,
        name=name,
        codecs=options.codec or loaded.codec,
        batching=Batching(max_frames=max_batch, max_wait_seconds=max_wait),
        link=options.link or loaded.link,
        runtime=runtime or options.runtime or AUTO,
        require_accelerator=require_accelerator,
        serve=address,
        trusted=keys.trusted(trust),
        force=force,
        timeout_seconds=timeout,
    )
    target = deployer.checked(request)  # before the broker is asked
    if bounds.first:
        _try_codecs(folder, target.codecs, bounds.bounds, examples, output)
    elif examples is not None:
        raise BadRequestError("--inputs", "are for a bound, such as --max-relative-l2 0.01")
    with connected(loaded) as session, DeployView(output) as view:
        if address and output.live:
            output.note(f"serving the segments at {address}")
        made = deployer.deploy(request, session, private, view)
    record.deployed(loaded.topics, str(session.url), made, folder, output, promise)
    predicted = promise.predicted if promise else None

    def show(console: Console) -> None:
        _show(console, made, target.manifest, predicted, request.runtime)
        console.print(f"\nNext: {_next(made, target.manifest, where)}", soft_wrap=True)

    output.result(msgspec.to_builtins(made) | {"predicted": predicted}, show)
    return 0


def _options(
    folder: Path, plan: Path | None, to: str | None, codec: str | None, link: str | None
) -> tuple[DeployOptions, Promise | None]:
    """Return what the options say, or the plan, which also promises something.

    Raises:
        BadRequestError: Both do, or neither.
        CodedError: The plan cannot be used, or the folder is not cut as planned.
    """
    if plan is None:
        if to is None:
            raise BadRequestError("--to", "neither it nor --plan was given")
        return DeployOptions(to=to, codec=codec, link=link), None
    for option, given in (("--to", to), ("--codec", codec), ("--link", link)):
        if given is not None:
            raise BadRequestError(f"{option} {given}", "is what --plan says; give one of them")
    from fleet.control import from_plan  # noqa: PLC0415 the planner, which others do without

    planned = from_plan.read(plan)
    from_plan.check(plan, planned, split_folder.read_manifest(folder))
    return planned.options, from_plan.promise(plan, planned)


def _try_codecs(
    folder: Path, codecs: Sequence[str], bounds: Bounds, examples: Path | None, output: Output
) -> None:
    """Run the segments with these codecs.

    Raises:
        CodecRefusedError: They move the outputs too far.
        CodedError: They cannot be tried; see `fleet.codec_effects.trial.effects`.
    """
    if set(codecs) == {DEFAULT}:
        return
    from fleet import inputs  # noqa: PLC0415 numpy, which a deploy without bounds does without
    from fleet.codec_effects import trial  # noqa: PLC0415
    from paceline.codec_view import WEAK  # noqa: PLC0415
    from paceline.verify_view import VerifyView  # noqa: PLC0415

    given = inputs.folder(examples) if examples else ()
    request = trial.CodecRequest(codecs=edge_codecs.text(codecs), examples=given, bounds=bounds)
    with VerifyView(output) as view:
        found = trial.effects(folder, request, view)
    figures = found.codecs[0].figures
    output.note(
        f"codec {found.codecs[0].codec}: relative L2 {figures.relative_l2:.2g}, max abs"
        f" {figures.max_abs:.2g}: within the bounds{f'; {WEAK}' if found.made_up else ''}"
    )


def _show(
    console: Console,
    made: Deployment,
    manifest: Manifest,
    predicted: Prediction | None,
    asked: str,
) -> None:
    console.print(
        f"pipeline {made.pipeline}: generation {made.generation} serves"
        f" (after {seconds_text(made.serving_seconds)})"
        + (f", linked by {made.link}" if made.link != link_names.DEFAULT else "")
    )
    table = Table(box=None, pad_edge=False)
    coded = set(made.codecs) != {DEFAULT}
    for title in ("  stage", "device", "segment", "runtime", *(["receives as"] if coded else [])):
        table.add_column(title)
    for stage in made.stages:
        codec = [made.codecs[stage.stage]] if coded else []
        table.add_row(f"  {stage.stage}", stage.device, stage.segment, stage.runtime, *codec)
    console.print(table)
    for text in (*fallbacks(made, manifest, asked), clients_place(made)):
        if text:
            console.print(f"note: {text}", style="yellow")
    if predicted:
        console.print(
            f"predicted: {prediction_text(predicted)}; `paceline bench pipeline {made.pipeline}`"
            " measures it"
        )
    if made.leftovers:
        names = ", ".join(made.leftovers)
        console.print(f"note: an older generation is still draining on {names}", style="yellow")
    if made.was_lost:
        console.print(
            f"note: the broker had lost the orders of {', '.join(made.was_lost)}; they were carried"
            " on, and `paceline restore` brings back the routes of your other pipelines",
            style="yellow",
        )


def _next(made: Deployment, manifest: Manifest, where: SiteOptions) -> str:
    """Return the command that feeds it, on the site that was typed."""
    source = "photo.jpg" if manifest.preprocess else "inputs.npz"
    answer = "answer.jpg" if manifest.preprocess and manifest.postprocess else "outputs.npz"
    return f"paceline run {made.pipeline} --input {source} --output {answer}{where.typed}"
