"""What ``paceline restore`` prints for people."""

import io

from fleet.control.restore import RestoredDevice, RestoredPipeline
from paceline.commands.restore import Restored, show
from paceline.output import Output
from wire.messages import Reason


def printed(devices=(), pipelines=()):
    """Return the lines that people see."""
    output = Output(False, io.StringIO(), io.StringIO())
    restored = Restored(
        broker="mqtt://b:1883", root="paceline", site="lab", devices=devices, pipelines=pipelines
    )
    output.result(restored, lambda console: show(console, restored))
    return output.stdout.getvalue().splitlines()


def test_each_device_and_each_pipeline_is_a_line():
    """What came back, what was there all the time, and why the rest did not come."""
    gone = Reason(code="device.absent", message="it is unknown")
    waits = Reason(code="route.not_served", message="stage 1 on b is unknown")
    lines = printed(
        (
            RestoredDevice(device="a", orders="restored"),
            RestoredDevice(device="b", orders="not_restored", reason=gone),
        ),
        (
            RestoredPipeline(pipeline="p", generation=3, route="present"),
            RestoredPipeline(pipeline="q", generation=4, route="not_restored", reason=waits),
        ),
    )

    assert lines == [
        "a: orders restored",
        "b: orders not restored (device.absent: it is unknown)",
        "p: generation 3, route present",
        "q: generation 4, route not restored (route.not_served: stage 1 on b is unknown)",
    ]


def test_nothing_deployed_is_said():
    """An empty answer helps nobody."""
    assert printed() == ["Nothing that you deployed is known on mqtt://b:1883, site lab."]
