"""What is written to which device, in which order, with which numbers."""

import itertools

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fleet.control import assignments, deploy_plan
from fleet.control.deploy_errors import OrdersGarbledError, OrdersLostError, OrdersUnknownError
from fleet.control.deploy_plan import Ordered, Target
from fleet.control.device_state import DeviceState
from wire import manifest as manifests
from wire import messages, signing
from wire.manifest import Edge, File, Manifest, ModelRef, Segment
from wire.messages import Desired, Reason, Reported, ReportedAssignment
from wire.tensors import TensorSpec

SITE = "default"
KEY = Ed25519PrivateKey.generate()
OURS = (KEY.public_key(),)
NAMES = ("a", "b", "c", "d")


def tensor(name):
    """Return a float32[1,4]."""
    return TensorSpec(name=name, dtype=1, shape=(1, 4))


def manifest(count):
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
    )


def target(pipeline, *devices):
    """Return a pipeline of one segment for each device."""
    return Target(pipeline, manifest(len(devices)), devices)


def served(pipeline, generation, device, stage=0):
    """Return an assignment of ``pipeline`` as it could stand in a device's order."""
    made = assignments.assignments(manifest(3), pipeline, generation, (device,) * 3)
    return made[stage]


def planned(wanted, devices, route=None):
    """Return the plan of a deploy."""
    return deploy_plan.plan_deploy(wanted, SITE, {d.device: d for d in devices}, route, 1)


def keys_of(desired):
    """Return the names of a device's assignments."""
    return [a.key for a in desired.assignments]


def reported(device, *running, observed=(0, 0), phase="serving"):
    """Return a report of a device that runs (pipeline, generation) pairs."""
    return Reported(
        device=device,
        session=1,
        observed=observed,
        applied=observed,
        assignments=tuple(
            ReportedAssignment(
                pipeline=pipeline,
                generation=generation,
                stage=0,
                segment="s0",
                phase=phase,
                outcome="healthy",
                digest="",
                runtime_asked="onnx_cpu",
            )
            for pipeline, generation in running
        ),
    )


def signed(device, *wanted, key=KEY, epoch=4, revision=9, site=SITE):
    """Return a signed desired state as it stands on the broker."""
    desired = Desired(
        site=site,
        device=device,
        epoch=epoch,
        revision=revision,
        assignments=wanted,
        issued_unix_ns=1,
    )
    return messages.encode("desired", signing.signed(desired, key))


UNSIGNED = messages.encode(
    "desired",
    Desired(site=SITE, device="a", epoch=99, revision=1, assignments=(), issued_unix_ns=1),
)

# --- what was ordered


def test_what_was_ordered_comes_from_the_signed_state_and_numbers_also_from_the_report():
    """Numbers are the highest seen; assignments are those that are proved."""
    old = served("p", 3, "a")
    state = DeviceState(
        "a", desired=signed("a", old), reported=reported("a", ("p", 2), observed=(3, 12))
    )
    found = deploy_plan.ordered(state, SITE, OURS)

    assert (found.epoch, found.revision) == (4, 12)
    assert found.assignments == (old,)
    assert found.generations == {"p": 3}


def test_a_fresh_device_was_ordered_nothing():
    """No retained message and nothing running: the numbers begin at zero."""
    found = deploy_plan.ordered(DeviceState("a", reported=reported("a")), SITE, OURS)

    assert (found.epoch, found.revision, found.assignments) == (0, 0, ())


def test_orders_of_another_key_never_get_our_signature():
    """Whoever can write to the broker must not get assignments signed by us."""
    state = DeviceState("a", desired=signed("a", key=Ed25519PrivateKey.generate()))

    with pytest.raises(OrdersUnknownError, match="not given by us"):
        deploy_plan.ordered(state, SITE, OURS)
    assert deploy_plan.ordered(state, SITE, OURS, force=True).assignments == ()


@pytest.mark.parametrize("noise", [b"noise", b"[]", b"{}", UNSIGNED, b"[" * 100_000])
def test_what_is_no_order_of_anybody_is_replaced_by_force_alone(noise):
    """No key explains it: the advice is --force, not --trust."""
    state = DeviceState("a", desired=noise, reported=reported("a"))

    with pytest.raises(OrdersGarbledError, match="no order of anybody's") as caught:
        deploy_plan.ordered(state, SITE, OURS)
    assert "--force" in str(caught.value)
    assert "--trust" not in str(caught.value)
    assert deploy_plan.ordered(state, SITE, OURS, force=True).assignments == ()


@pytest.mark.parametrize(("device", "site"), [("b", SITE), ("a", "elsewhere")])
def test_orders_for_somebody_else_are_not_carried_on(device, site):
    """A valid order, replayed on another device's topic or site, is no order."""
    state = DeviceState("a", desired=signed(device, site=site))

    with pytest.raises(OrdersUnknownError, match="are for"):
        deploy_plan.ordered(state, SITE, OURS)


def test_a_broker_that_lost_the_orders_does_not_stop_other_pipelines_silently():
    """A device that runs something without an order on the broker needs --force."""
    state = DeviceState("a", reported=reported("a", ("other", 2)))

    with pytest.raises(OrdersUnknownError, match="runs other"):
        deploy_plan.ordered(state, SITE, OURS)
    assert deploy_plan.ordered(state, SITE, OURS, force=True).generations == {"other": 2}


def test_orders_that_the_broker_lost_are_carried_on_when_the_device_proves_them():
    """Missing, or older than what the device obeys: its own are the newest, and ours."""
    other = served("other", 2, "a")
    held = signed("a", other, epoch=6, revision=2)
    told = reported("a", ("other", 2), observed=(6, 2))
    for desired in (None, b"noise", UNSIGNED, signed("a", served("other", 1, "a"))):
        state = DeviceState("a", desired=desired, reported=told, held=held)
        found = deploy_plan.ordered(state, SITE, OURS)

        assert (found.assignments, found.epoch, found.was_lost) == ((other,), 6, True)


def test_an_older_order_on_the_broker_is_not_what_the_device_runs():
    """Carried on alone, it would silently stop what came after it."""
    older = signed("a", served("other", 1, "a"))
    state = DeviceState("a", desired=older, reported=reported("a", ("p", 5), observed=(5, 1)))

    with pytest.raises(OrdersLostError, match="runs p, and the broker lost its orders"):
        deploy_plan.ordered(state, SITE, OURS)


def test_a_device_that_runs_nothing_may_have_lost_orders():
    """After an undeploy there is nothing that a deploy could stop; the numbers still count."""
    told = reported("a", observed=(6, 2))
    for held in (None, signed("a", key=Ed25519PrivateKey.generate(), epoch=6, revision=2)):
        found = deploy_plan.ordered(DeviceState("a", reported=told, held=held), SITE, OURS)

        assert (found.epoch, found.revision, found.assignments) == (6, 2, ())
        assert not found.was_lost


def test_what_is_draining_may_be_without_an_order():
    """An assignment on its way out needs nobody's order."""
    state = DeviceState("a", reported=reported("a", ("p", 2), phase="draining"))

    assert deploy_plan.ordered(state, SITE, OURS).generations == {"p": 2}


# --- a deploy


def test_the_first_deploy_begins_all_numbers_at_one():
    """Nothing was there: nothing is settled, and withdrawing leaves an empty order."""
    plan = planned(target("p", "a", "b"), [Ordered("a"), Ordered("b")])

    assert (plan.epoch, plan.generation) == (1, 1)
    assert [(d.device, d.epoch, d.revision, keys_of(d)) for d in plan.make] == [
        ("a", 1, 1, ["p.1-0"]),
        ("b", 1, 1, ["p.1-1"]),
    ]
    assert [(d.device, d.revision, keys_of(d)) for d in plan.withdraw] == [
        ("a", 2, []),
        ("b", 2, []),
    ]
    assert plan.settle == ()


def test_a_new_generation_is_made_beside_the_old_and_the_old_goes_last():
    """Make before break on one device, with another pipeline that is never touched."""
    other, old = served("other", 1, "a"), served("p", 5, "a")
    before = Ordered("a", 5, 8, (other, old), {"p": 5, "other": 1})
    route = assignments.route(manifest(1), "p", 5, 5, ("a",))
    plan = planned(target("p", "a"), [before], route)

    assert [keys_of(d) for d in plan.make] == [["other.1-0", "p.5-0", "p.6-0"]]
    assert [keys_of(d) for d in plan.withdraw] == [["other.1-0", "p.5-0"]]
    assert [keys_of(d) for d in plan.settle] == [["other.1-0", "p.6-0"]]
    assert plan.route.generation == 6


def test_a_device_that_is_left_loses_the_pipeline_only_after_the_route_has_moved():
    """It is not in ``make``, so it serves until ``settle``."""
    old = served("p", 2, "a")
    route = assignments.route(manifest(1), "p", 2, 2, ("a",))
    plan = planned(target("p", "b"), [Ordered("b"), Ordered("a", 2, 4, (old,), {"p": 2})], route)

    assert [d.device for d in plan.make] == ["b"]
    assert [(d.device, d.revision, keys_of(d)) for d in plan.settle] == [("a", 6, [])]


def test_what_a_killed_deploy_left_behind_is_dropped_at_once():
    """A generation that the route does not name serves nobody."""
    serving, stale = served("p", 2, "a"), served("p", 3, "a", stage=1)
    route = assignments.route(manifest(1), "p", 2, 2, ("a",))
    before = Ordered("a", 3, 4, (serving, stale), {"p": 3})
    plan = planned(target("p", "a"), [before], route)

    assert keys_of(plan.make[0]) == ["p.2-0", "p.4-0"]
    assert plan.generation == 4


def test_one_device_may_have_two_stages():
    """Both assignments stand in one order."""
    plan = planned(target("p", "a", "b", "a"), [Ordered("a"), Ordered("b")])

    assert {d.device: keys_of(d) for d in plan.make} == {
        "a": ["p.1-0", "p.1-2"],
        "b": ["p.1-1"],
    }


def test_a_generation_is_above_those_that_only_devices_remember():
    """After an undeploy nothing shows the old generation but the device's disk; the epoch does."""
    first = planned(target("p", "a"), [Ordered("a", epoch=6, revision=6)])
    state = Ordered("a", first.epoch, 7, first.make[0].assignments, {"p": first.generation})
    gone = deploy_plan.plan_undeploy("p", SITE, {"a": state}, first.route, 1)
    again = planned(target("p", "a"), [Ordered("a", gone.epoch, gone.settle[0].revision)])

    assert again.generation > first.generation


@st.composite
def sites(draw):
    """Draw a site: devices with orders that some deploys of some pipelines left."""
    pipelines = draw(st.lists(st.sampled_from(["p", "q", "r"]), unique=True))
    epoch = draw(st.integers(1, 20))
    devices = {}
    for name in NAMES:
        wanted = [
            served(pipeline, draw(st.integers(1, epoch)), name)
            for pipeline in pipelines
            if draw(st.booleans())
        ]
        generations = {a.pipeline: a.generation for a in wanted}
        devices[name] = Ordered(name, epoch, draw(st.integers(0, 30)), tuple(wanted), generations)
    route = None
    if draw(st.booleans()):
        generation = draw(st.integers(1, epoch))
        route = assignments.route(
            manifest(1), "p", generation, epoch, (draw(st.sampled_from(NAMES)),)
        )
    return devices, route


@given(sites(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
def test_whatever_was_there_orders_only_grow_and_strangers_are_untouched(site, chosen):
    """Properties of every deploy: numbers grow, others' assignments stay, both ends are right."""
    devices, route = site
    involved = (
        {name: devices[name] for name in (*chosen, *(s.device for s in route.stages))}
        if (route)
        else {name: devices[name] for name in chosen}
    )
    plan = deploy_plan.plan_deploy(target("p", *chosen), SITE, involved, route, 1)

    strangers = {
        name: [a for a in state.assignments if a.pipeline != "p"]
        for name, state in involved.items()
    }
    after = {name: list(state.assignments) for name, state in involved.items()}
    revisions = {name: state.revision for name, state in involved.items()}
    for desired in (*plan.make, *plan.settle):
        assert desired.epoch > involved[desired.device].epoch
        assert desired.revision > revisions[desired.device]
        revisions[desired.device] = desired.revision
        after[desired.device] = list(desired.assignments)
    ours = [a for wanted in after.values() for a in wanted if a.pipeline == "p"]

    assert sorted(a.key for a in ours) == sorted(a.key for a in plan.assignments)
    assert strangers == {n: [a for a in w if a.pipeline != "p"] for n, w in after.items()}
    assert all(a.generation < plan.generation for s in involved.values() for a in s.assignments)
    made = {d.device: d for d in plan.make}
    for back in plan.withdraw:
        new = [a for a in made[back.device].assignments if a.generation == plan.generation]
        assert list(back.assignments) + new == list(made[back.device].assignments)
        assert back.revision > made[back.device].revision


@given(sites())
def test_an_undeploy_removes_the_pipeline_and_nothing_else(site):
    """Every device keeps what is not of the pipeline, under a new epoch."""
    devices, route = site
    plan = deploy_plan.plan_undeploy("p", SITE, devices, route, 1)

    assert {d.device: list(d.assignments) for d in plan.settle} == {
        name: [a for a in state.assignments if a.pipeline != "p"] for name, state in devices.items()
    }
    assert all(plan.epoch > state.epoch for state in devices.values())


def test_orders_fit_their_topic_when_signed():
    """A device with a dozen segments still gets its order in one message."""
    plan = planned(target("p", *["a"] * 12), [Ordered("a")])
    data = messages.encode("desired", signing.signed(plan.make[0], KEY))

    assert signing.verified_desired(data, OURS) == msgspec.json.decode(data, type=Desired)


def test_reasons_are_plain_data():
    """A reason that was reported survives in an error's message."""
    error = OrdersUnknownError({"a": Reason(code="x.y", message="z").message})

    assert str(error).startswith("device a: z; name the key that ordered it with --trust")
