"""From manifest and placement to assignments, route and one-segment manifests."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control import assignments
from fleet.control.assignments import Means
from fleet.control.deploy_errors import (
    BatchError,
    PlacementError,
    ReplicasError,
    UnknownSegmentError,
)
from fleet.runtime_choice import Chosen
from wire import manifest as manifests
from wire.manifest import Answer, Edge, File, Manifest, ModelRef, Picture, Segment
from wire.messages import Batching, Peer
from wire.tensors import TensorSpec


def tensor(name):
    """Return a float32[1,4]."""
    return TensorSpec(name=name, dtype=1, shape=(1, 4))


def manifest(count, **more):
    """Return a chain t0 -> s0 -> t1 -> ... of ``count`` segments."""
    names = [f"s{n}" for n in range(count)]
    places = [manifests.INPUT, *names, manifests.OUTPUT]
    return Manifest(
        schema=1,
        name="chain",
        model=ModelRef(name="m", sha256="0" * 64, size_bytes=1),
        inputs=(tensor("t0"),),
        outputs=(tensor(f"t{count}"),),
        segments=tuple(
            Segment(
                name=name,
                format="onnx",
                files=(File(name="segment.onnx", sha256=f"{n:064x}", size_bytes=10),),
                inputs=(tensor(f"t{n}"),),
                outputs=(tensor(f"t{n + 1}"),),
                operators=1,
                weight_bytes=1,
                peak_bytes=1,
            )
            for n, name in enumerate(names)
        ),
        edges=tuple(
            Edge(source=a, target=b, tensors=(tensor(f"t{n}"),))
            for n, (a, b) in enumerate(itertools.pairwise(places))
        ),
        **more,
    )


def test_what_was_chosen_runs_each_segment_on_each_device():
    """The route says the runtimes as well; without a choice the processor runs them."""
    chosen = (Chosen("onnx_cuda", "gpu:1", required=True), Chosen("onnx_cpu"), Chosen("onnx_cuda"))

    made = assignments.assignments(manifest(2), "p", 4, ("a", "b+c"), Means(runtimes=chosen))
    route = assignments.route(manifest(2), "p", 4, 1, ("a", "b+c"), Means(runtimes=chosen))
    usual = assignments.assignments(manifest(1), "p", 4, ("a",))[0]

    assert [a.runtime for a in made] == [s.runtime for s in route.stages]
    assert [s.runtime for s in route.stages] == ["onnx_cuda", "onnx_cpu", "onnx_cuda"]
    assert (made[0].accelerator, made[0].require_accelerator) == ("gpu:1", True)
    assert usual.contract.quanta == 0
    assert (usual.runtime, usual.accelerator, usual.require_accelerator) == ("onnx_cpu", "", False)


def test_neighbours_are_peers_and_the_ends_have_none():
    """Each stage hears from the one before and sends to the one behind; clients are no peers."""
    first, middle, last = assignments.assignments(manifest(3), "p", 4, ("a", "b", "a"))

    assert first.peers.upstream == ()
    assert first.peers.downstream == (Peer(device="b", stage=1),)
    assert middle.peers.upstream == (Peer(device="a", stage=0),)
    assert middle.peers.downstream == (Peer(device="a", stage=2),)
    assert last.peers.downstream == ()


def test_replicas_have_one_assignment_each_and_all_neighbours():
    """Written as ``b+c``: a frame goes to one of them, and may come from one of them."""
    made = assignments.assignments(manifest(3), "p", 4, ("a", "b+c", "d"))
    route = assignments.route(manifest(3), "p", 4, 1, ("a", "b+c", "d"))
    both = (Peer(device="b", stage=1), Peer(device="c", stage=1))

    assert [a.stage for a in made] == [0, 1, 1, 2]
    assert made[1] == made[2]
    assert made[0].peers.downstream == made[3].peers.upstream == both
    assert [(s.stage, s.device) for s in route.stages] == [(0, "a"), (1, "b"), (1, "c"), (2, "d")]


def test_a_replica_needs_a_device_of_its_own():
    """Twice on one device would be one lane with two readers."""
    with pytest.raises(ReplicasError, match=r"segment s1 twice on one device \(b\+b\)"):
        assignments.check_placement(manifest(2), "p", ("a", "b+b"))


def test_batches_need_a_segment_that_can():
    """Else it is said what stands against it, by segment."""
    chain = manifest(2)
    with pytest.raises(BatchError, match=r"s0: 't0' is float32\[1,4\]; s1: 't1'"):
        assignments.check_batching(chain, "p")

    rows = TensorSpec(name="t", dtype=1, shape=("N", 4))
    free = msgspec.structs.replace(chain.segments[1], inputs=(rows,), outputs=(rows,))
    some = msgspec.structs.replace(chain, segments=(chain.segments[0], free))
    batching = Batching(max_frames=4, max_wait_seconds=0.01)
    assignments.check_batching(some, "p")
    made = assignments.assignments(some, "p", 1, ("a", "b"), Means(batching=batching))

    assert [a.batching for a in made] == [batching, batching]


@given(count=st.integers(1, 12))
def test_what_one_stage_sends_is_what_the_next_receives(count):
    """The contracts of neighbours fit, and the ends are the pipeline's input and output."""
    chain = manifest(count)
    made = assignments.assignments(chain, "p", 1, tuple(f"d{n}" for n in range(count)))

    assert [a.contract.sends for a in made[:-1]] == [a.contract.receives for a in made[1:]]
    assert made[0].contract.receives == chain.inputs
    assert made[-1].contract.sends == chain.outputs
    assert [a.stage for a in made] == list(range(count))
    assert len({a.key for a in made}) == count


def test_the_runtime_follows_the_format():
    """ONNX runs on onnx_cpu; a format that is a runtime's own is run by that."""
    onnx, other = manifest(1).segments[0], "identity"

    assert assignments.runtime_of(onnx) == "onnx_cpu"
    assert assignments.runtime_of(Segment(**{**as_dict(onnx), "format": other})) == other


def as_dict(segment):
    """Return a Struct's fields."""
    return {name: getattr(segment, name) for name in segment.__struct_fields__}


def test_the_route_names_every_stage_and_what_enters_and_leaves():
    """A client needs nothing but the route."""
    chain = manifest(2)
    route = assignments.route(chain, "p", 7, 9, ("a", "b"))

    assert [(s.stage, s.device, s.segment) for s in route.stages] == [
        (0, "a", "s0"),
        (1, "b", "s1"),
    ]
    assert (route.generation, route.epoch, route.manifest) == (7, 9, chain.digest)
    assert (route.receives, route.outputs) == (chain.inputs, chain.outputs)


@pytest.mark.parametrize(
    ("devices", "counted"), [((), "0 devices"), (("a",), "1 device "), ("abc", "3 devices")]
)
def test_a_placement_needs_one_device_for_each_segment(devices, counted):
    """Too few and too many are refused, with both lists in the message."""
    with pytest.raises(PlacementError, match=f"2 segments .* but {counted}") as caught:
        assignments.check_placement(manifest(2), "p", devices)

    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["s0", "s1", "s2"])
def test_one_segment_alone_is_a_valid_manifest(name):
    """A single segment can be deployed, and its manifest survives being written and read."""
    alone = assignments.single_segment_manifest(manifest(3), name)

    assert manifests.decode(manifests.encode(alone)) == alone
    assert [segment.name for segment in alone.segments] == [name]


def test_one_segment_keeps_pictures_only_where_it_takes_or_gives_them():
    """The first segment can take pictures, the last can give answers, a middle one neither."""
    blocks = {
        "preprocess": Picture(input="t0", width=8, height=8),
        "postprocess": Answer(kind="labels", output="t3"),
    }
    chain = manifest(3, **blocks)
    alone = [assignments.single_segment_manifest(chain, f"s{n}") for n in range(3)]

    assert [m.preprocess is not None for m in alone] == [True, False, False]
    assert [m.postprocess is not None for m in alone] == [False, False, True]


def test_an_unknown_segment_is_refused_with_the_known_ones():
    """The message lists what there is."""
    with pytest.raises(UnknownSegmentError, match="it has s0, s1"):
        assignments.single_segment_manifest(manifest(2), "s9")


def test_every_stage_is_told_the_link():
    """MQTT, unless another is asked for."""
    devices = ("a", "b", "c")
    usual = assignments.assignments(manifest(3), "p", 4, devices)
    made = assignments.assignments(manifest(3), "p", 4, devices, Means(links=("auto",) * 4))

    assert {one.transfer.link for one in usual} == {"mqtt"}
    assert {one.transfer.link for one in made} == {"auto"}


def test_clients_are_told_theirs():
    """What enters, and how answers go: by the route."""
    links = Means(links=("direct", "tcp", "auto"))
    routes = [
        assignments.route(manifest(2), "p", 4, 1, ("a", "b"), means) for means in (Means(), links)
    ]

    assert [(r.entry_link, r.answers_link) for r in routes] == [
        ("mqtt", "mqtt"),
        ("direct", "auto"),
    ]


def test_each_stage_sends_with_its_codec():
    """The entry's is the route's; what goes to clients is raw."""
    codecs, devices = ("fp16", "int8_channel", "raw+zstd"), ("a", "b", "c")
    made = assignments.assignments(manifest(3), "p", 4, devices, Means(codecs))
    route = assignments.route(manifest(3), "p", 4, 1, devices, Means(codecs))

    assert route.codec == "fp16"
    assert [one.transfer.codec for one in made] == ["int8_channel", "raw+zstd", "raw"]
