"""What runs each segment on each device: asked for, or the best that was proved."""

import pytest

from fleet import runtime_choice
from fleet.errors import RuntimeChoiceError
from fleet.runtime_choice import AS_USUAL, EDGETPU, Chosen
from wire import segment_files
from wire.manifest import File, Segment
from wire.messages import Info, Reported, ReportedAssignment, RuntimeInfo


def segment(number, kind="onnx", *files):
    """Return a segment of this format."""
    return Segment(
        name=f"s{number}",
        format=kind,
        files=tuple(File(name=name, sha256="0" * 64, size_bytes=1) for name in files),
        inputs=(),
        outputs=(),
        operators=1,
        weight_bytes=1,
        peak_bytes=1,
    )


def device(*proved):
    """Return what a device says that proved runtimes, each as ``runtime@accelerator``."""
    formats = {"onnx": ("onnx",), "tflite": ("tflite",), "strange": ("strange",)}
    return Info(
        device="d",
        version="1",
        runtimes=tuple(
            RuntimeInfo(
                runtime=name.lstrip("-").partition("@")[0],
                accelerator=name.partition("@")[2] or "cpu",
                proved=not name.startswith("-"),
                formats=formats.get(name.lstrip("-").partition("_")[0], ()),
            )
            for name in proved
        ),
    )


COMPILED = ("segment.tflite", segment_files.EDGETPU)


@pytest.mark.parametrize(
    ("found", "kind", "files", "best"),
    [
        (("onnx_cpu",), "onnx", (), "onnx_cpu"),
        (("onnx_cpu", "onnx_cuda@gpu:0"), "onnx", (), "onnx_cuda"),
        (("onnx_cpu", "onnx_openvino@ov:GPU"), "onnx", (), "onnx_openvino"),
        (("onnx_cpu", "onnx_openvino@ov:CPU"), "onnx", (), "onnx_cpu"),
        (("onnx_cpu", "onnx_tensorrt@gpu:0"), "onnx", (), "onnx_cpu"),
        (("tflite_cpu", "tflite_edgetpu@usb:0"), "tflite", COMPILED, "tflite_edgetpu"),
        (("tflite_cpu", "tflite_edgetpu@usb:0"), "tflite", ("segment.tflite",), "tflite_cpu"),
        (("onnx_cpu", "tflite_edgetpu@usb:0"), "onnx", (), "onnx_cpu"),
        ((), "tflite", (), "tflite_cpu"),
        ((), "identity", (), "identity"),
    ],
)
def test_the_best_that_a_device_proved(found, kind, files, best):
    """Not TensorRT, which builds for minutes; a Coral only for what was compiled for it."""
    made = runtime_choice.chosen(
        [segment(0, kind, *files)], [("d",)], {"d": device(*found)}, AS_USUAL
    )

    assert made == (Chosen(best),)


def test_what_was_not_proved_is_not_chosen():
    """A library alone is not enough."""
    broken = Info(
        device="d",
        version="1",
        runtimes=(RuntimeInfo(runtime="onnx_cuda", formats=("onnx",), reason="no driver"),),
    )

    assert runtime_choice.chosen([segment(0)], [("d",)], {"d": broken}, AS_USUAL) == (
        Chosen("onnx_cpu"),
    )


def test_segments_on_one_host_get_an_accelerator_each():
    """Two sticks take two segments; the third is left to the processor: a stick is not shared."""
    host = device("tflite_cpu", "tflite_edgetpu@usb:0", "tflite_edgetpu@usb:1")
    segments = [segment(n, "tflite", *COMPILED) for n in range(3)]

    made = runtime_choice.chosen(segments, [("d",)] * 3, {"d": host}, AS_USUAL)

    assert made == (
        Chosen("tflite_edgetpu", "usb:0"),
        Chosen("tflite_edgetpu", "usb:1"),
        Chosen("tflite_cpu"),
    )


def test_one_stick_is_not_given_away_twice():
    """Also where there is one alone, whose name needs no saying."""
    host = device("tflite_cpu", "tflite_edgetpu@usb:0")
    segments = [segment(n, "tflite", *COMPILED) for n in range(2)]

    made = runtime_choice.chosen(segments, [("d",)] * 2, {"d": host}, AS_USUAL)

    assert made == (Chosen("tflite_edgetpu"), Chosen("tflite_cpu"))


def test_what_is_compiled_needs_an_edge_tpu_where_accelerators_are_required():
    """Whether or not the device has one: it is refused rather than run on the processor."""
    segments = [segment(0, "tflite", *COMPILED), segment(1, "tflite")]
    wish = runtime_choice.parsed("auto", [("d",)] * 2, required=True)

    made = runtime_choice.chosen(segments, [("d",)] * 2, {"d": device("tflite_cpu")}, wish)

    assert [one.runtime for one in made] == ["tflite_edgetpu", "tflite_cpu"]


@pytest.mark.parametrize(
    ("sticks", "held", "best"),
    [
        ((0, 1), {"other": 0}, "usb:1"),
        ((0, 1), {"p": 0}, "usb:1"),
        ((0, 1), {"other": 0, "p": 1}, "usb:1"),
        ((0,), {"other": 0}, ""),
    ],
)
def test_a_stick_that_is_held_is_taken_last(sticks, held, best):
    """One that another pipeline holds after one of an older generation; one alone all the same."""
    reported = Reported(
        device="d",
        session=1,
        observed=(1, 1),
        applied=(1, 1),
        assignments=tuple(
            ReportedAssignment(
                pipeline=pipeline, generation=1, stage=0, segment="s", phase="serving",
                outcome="running", digest="0", runtime_asked=EDGETPU, runtime_actual=EDGETPU,
                accelerator_actual=f"usb:{number}",
            )
            for pipeline, number in held.items()
        ),
    )  # fmt: skip
    host = device(*(f"tflite_edgetpu@usb:{number}" for number in sticks))

    made = runtime_choice.chosen(
        [segment(0, "tflite", *COMPILED)],
        [("d",)],
        {"d": host},
        AS_USUAL,
        {"d": runtime_choice.in_use(reported, "p")},
    )

    assert made == (Chosen(EDGETPU, best),)


@pytest.mark.parametrize(
    ("found", "kind", "files", "asked"),
    [
        (("tflite_cpu", "-tflite_edgetpu@usb:0"), "tflite", COMPILED, "tflite_edgetpu"),
        (("tflite_cpu",), "tflite", COMPILED, "tflite_edgetpu"),
        (("onnx_cpu", "-onnx_cuda@gpu:0"), "onnx", (), "onnx_cuda"),
        (("onnx_cpu", "-onnx_cuda@gpu:0", "onnx_openvino@ov:GPU"), "onnx", (), "onnx_openvino"),
        (("onnx_cpu", "-onnx_cuda@none"), "onnx", (), "onnx_cpu"),
        (("tflite_cpu",), "tflite", ("segment.tflite",), "tflite_cpu"),
    ],
)
def test_a_required_accelerator_that_does_not_work_is_asked_for(found, kind, files, asked):
    """The device is then refused, with the reason, and nothing runs on the processor instead."""
    made = runtime_choice.chosen(
        [segment(0, kind, *files)],
        [("d",)],
        {"d": device(*found)},
        runtime_choice.parsed("auto", [("d",)], required=True),
    )

    assert made == (Chosen(asked, "", required=True),)


def test_a_device_goes_before_a_stage_before_all():
    """Replicas of one stage may be asked for different things."""
    places = [("a",), ("b", "c")]
    wish = runtime_choice.parsed(
        "onnx_cpu,1=onnx_cuda,c=onnx_tensorrt@gpu:1", places, required=True
    )

    made = runtime_choice.chosen([segment(0), segment(1)], places, {}, wish)

    assert made == (
        Chosen("onnx_cpu", "", required=True),
        Chosen("onnx_cuda", "", required=True),
        Chosen("onnx_tensorrt", "gpu:1", required=True),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' names no runtime"),
        ("onnx_cpu,onnx_cuda", "all has two runtimes"),
        ("a=onnx_cpu,a=onnx_cpu", "a has two runtimes"),
        ("2=onnx_cpu", "'2' is no stage and no device (stages are 0 to 1, devices a, b)"),
        ("z=onnx_cpu", "'z' is no stage and no device"),
        ("onnx_cpu@", "names no runtime"),
        (f"{'9' * 5000}=onnx_cpu", "is no stage and no device"),
        ("Onnx CPU", "names no runtime"),
    ],
)
def test_what_cannot_be_understood_is_a_named_error(text, problem):
    """The error shows what was written and an example."""
    with pytest.raises(RuntimeChoiceError) as caught:
        runtime_choice.parsed(text, [("a",), ("b",)])

    assert problem in str(caught.value)
    assert "such as onnx_cpu" in str(caught.value)
