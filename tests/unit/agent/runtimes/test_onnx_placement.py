"""Who runs which operators, in a sentence."""

import json
from collections import Counter

from agent.runtimes._onnx_placement import Placement, assigned, profiled
from agent.runtimes._onnx_profile import node_events
from tests.unit.agent.runtimes.stand_in import CPU, CUDA, OPENVINO, TENSORRT, Part


class Told:
    """A session of a version that tells whom it gave its operators to."""

    def get_provider_graph_assignment_info(self):
        """Two parts of one provider count as one."""
        return [Part(OPENVINO, ["Conv", "Relu"]), Part(CPU, ["Resize"]), Part(OPENVINO, ["Conv"])]


def node(provider, kind, microseconds):
    """Return a line of a profile."""
    about = {"node_index": "1", "op_name": kind, "provider": provider}
    return json.dumps(
        {"cat": "Node", "name": "n_kernel_time", "ts": 1, "dur": microseconds, "args": about}
    ).encode()


RUN = [
    node(OPENVINO, "OpenVINO-EP-subgraph_1", 880),
    node(CPU, "Resize", 100),
    node(CPU, "Shape", 20),
    b'{"cat": "Session", "name": "model_run", "ts": 1, "dur": 1000, "args": {}}',
]


def test_operators_are_counted_by_who_runs_them():
    """However many parts a provider has."""
    placement = assigned(Told())

    assert placement.kinds == {OPENVINO: Counter(Conv=2, Relu=1), CPU: Counter(Resize=1)}
    assert placement.short_of(OPENVINO) == "1 of 4 operators run elsewhere: Resize on the CPU"


def test_the_first_run_says_what_they_take():
    """A profile counts kernels, of which one is many operators: the count stays the session's."""
    placement = assigned(Told()).timed(profiled(node_events(RUN)))

    assert placement.short_of(OPENVINO) == (
        "1 of 4 operators run elsewhere: Resize on the CPU (12% of the time)"
    )


def test_a_version_that_does_not_tell_is_known_by_its_first_run():
    """Then kernels are counted."""
    placement = assigned(object())
    assert (placement, placement.short_of(CUDA)) == (Placement(), "")

    placement = placement.timed(profiled(node_events(RUN)))

    assert placement.short_of(OPENVINO) == (
        "2 of 3 kernels run elsewhere: Resize, Shape on the CPU (12% of the time)"
    )


def test_nothing_elsewhere_is_nothing_to_tell():
    """Nor what a run took."""
    assert Placement({CUDA: Counter(Conv=3)}, seconds={CUDA: 1.0}).short_of(CUDA) == ""


def test_a_long_list_is_cut():
    """The most frequent kinds are named, by each provider."""
    kinds = {
        TENSORRT: Counter(Conv=1),
        CUDA: Counter(Mul=1),
        CPU: Counter(A=9, B=8, C=7, D=6, E=5),
    }

    assert Placement(kinds).short_of(TENSORRT) == (
        "36 of 37 operators run elsewhere: Mul by CUDA; A, B, C, D, ... on the CPU"
    )
