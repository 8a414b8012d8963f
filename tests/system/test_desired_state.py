"""What is on ``desired`` and cannot be obeyed is refused with a reason; what ran goes on."""

import json

import msgspec
import pytest

from fleet.control import assignments
from tests.system.place import alive, until
from wire import signing

DEVICE = "d1"
GENERATION = 5
EPOCH, REVISION = 3, 10


@pytest.fixture(scope="module")
def orders(shared_place, whole, tmp_path_factory):
    """A device that serves generation 5, and what can be ordered."""
    from fleet import artifacts

    with artifacts.serve([whole.folder], shared_place.artifacts):
        made = Orders(shared_place, whole)
        shared_place.start(DEVICE)
        shared_place.order(DEVICE, made.good)
        shared_place.await_phase(DEVICE, "serving")
        yield made


class Orders:
    """Makes desired states that are right but for one thing."""

    def __init__(self, place, whole):
        self.place = place
        (self.assignment,) = assignments.assignments(whole.manifest, "p", GENERATION, (DEVICE,))
        self.good = self.desired()

    def desired(self, listed=None, **changes):
        """Return a desired state as its bytes."""
        numbers = {"epoch": EPOCH, "revision": REVISION, **changes}
        listed = [self.assignment] if listed is None else listed
        return self.place.desired(DEVICE, listed, **numbers)

    def listing(self, **changes):
        """Return the next desired state with one assignment that has these fields."""
        generation = {"generation": GENERATION + 1, **changes}
        other = msgspec.structs.replace(self.assignment, **generation)
        return self.desired([self.assignment, other], revision=REVISION + 1)

    def file(self, **changes):
        """Return the next desired state with a file that has these fields."""
        first, *others = self.assignment.files
        return self.listing(files=(msgspec.structs.replace(first, **changes), *others))

    def refused(self):
        """Return the reason that the device gives."""
        return self.place.reported(DEVICE).refused


def unsigned(o):
    """Return an order with an empty signature."""
    plain = json.loads(o.desired(revision=REVISION + 1))
    return json.dumps({**plain, "signature": ""}).encode()


def edited(o):
    """Return an order that was changed after it was signed."""
    plain = json.loads(o.desired(revision=REVISION + 1))
    return json.dumps({**plain, "assignments": []}).encode()


def another_key(o):
    """Return an order signed by a stranger."""
    key = signing.private_key(signing.new_private_key(), "a stranger's")
    return o.desired(revision=REVISION + 1, key=key)


BAD = {
    "unsigned": (unsigned, "signature.refused"),
    "edited": (edited, "signature.refused"),
    "another_key": (another_key, "signature.refused"),
    "another_device": (lambda o: o.desired(revision=11, device="d2"), "desired.refused"),
    "another_site": (lambda o: o.desired(revision=11, site="mars"), "desired.refused"),
    "an_older_revision": (lambda o: o.desired([], revision=9), "desired.conflict"),
    "an_older_epoch": (lambda o: o.desired([], epoch=2, revision=99), "desired.conflict"),
    "the_same_numbers": (lambda o: o.desired([]), "desired.conflict"),
    "an_older_generation": (lambda o: o.listing(generation=4), "desired.conflict"),
    "a_changed_assignment": (
        lambda o: o.desired([msgspec.structs.replace(o.assignment, stage=0, segment="other")],
                            revision=11),
        "desired.conflict",
    ),
    "an_unknown_runtime": (lambda o: o.listing(runtime="abacus"), "desired.refused"),
    "a_runtime_that_is_a_path": (lambda o: o.listing(runtime="../evil"), "desired.refused"),
    "a_pipeline_that_is_a_path": (lambda o: o.listing(pipeline="../../etc"), "desired.refused"),
    "a_pipeline_that_is_a_wildcard": (lambda o: o.listing(pipeline="#"), "desired.refused"),
    "a_segment_that_is_a_path": (lambda o: o.listing(segment="a/b"), "desired.refused"),
    "a_file_that_is_a_path": (lambda o: o.file(name="../../etc/passwd"), "desired.refused"),
    "a_digest_that_is_none": (lambda o: o.file(sha256="../" * 21), "desired.refused"),
    "a_size_below_zero": (lambda o: o.file(size_bytes=-1), "desired.refused"),
    "a_size_beyond_all": (lambda o: o.file(size_bytes=1 << 62), "desired.refused"),
    "a_stage_below_zero": (lambda o: o.listing(stage=-1), "desired.refused"),
    "another_schema": (lambda o: o.desired(revision=11, schema=2), "message.malformed"),
    "no_json": (lambda o: b"\x00\xff{" * 9, "message.malformed"),
    "other_json": (lambda o: b'{"assignments": []}', "message.malformed"),
    "deep_json": (lambda o: b"[" * 50_000, "message.malformed"),
    "oversized": (lambda o: o.good[:-1] + b" " * (121 << 10) + b"}", "message.malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_and_what_ran_goes_on(orders, name):
    """The reason is reported by its code; the same worker serves on; a good order heals."""
    make, code = BAD[name]
    before = orders.place.assignment(DEVICE)

    orders.place.order(DEVICE, make(orders))
    refused = until(orders.refused, lambda: f"refusal; said {orders.place.reported(DEVICE)}")
    after = orders.place.reported(DEVICE)
    orders.place.order(DEVICE, orders.good)
    until(lambda: orders.refused() is None, "the end of the refusal")

    assert refused.code == code
    assert (after.observed, after.applied) == ((EPOCH, REVISION), (EPOCH, REVISION))
    assert after.assignments == (before,)
    assert alive(before.pid)


def test_an_empty_payload_is_no_order(orders):
    """Whoever clears the topic stops nothing."""
    before = orders.place.assignment(DEVICE)

    orders.place.order(DEVICE, b"")
    orders.place.ask(DEVICE, "ping")

    assert orders.refused() is None
    assert orders.place.assignment(DEVICE) == before
    assert alive(before.pid)


def test_unknown_commands_are_refused(orders):
    """With the reason, to whoever asked."""
    answer = orders.place.ask(DEVICE, "format-disk")

    assert (answer.ok, answer.reason.code) == (False, "command.unknown")


def test_a_device_gives_its_orders_back_byte_by_byte(orders):
    """What it obeys, not what was refused since."""
    orders.place.order(DEVICE, orders.desired(revision=REVISION + 1, device="d2"))
    until(orders.refused, "the refusal")
    answer = orders.place.ask(DEVICE, "desired")
    orders.place.order(DEVICE, orders.good)
    until(lambda: orders.refused() is None, "the end of the refusal")

    assert (answer.ok, answer.result["desired"].encode()) == (True, orders.good)


def test_without_a_trusted_key_everything_is_refused(place, whole):
    """None listed means nobody, not everybody; a restart with the key heals."""
    (wanted,) = assignments.assignments(whole.manifest, "p", 1, (DEVICE,))
    place.start(DEVICE, trust={"keys": []})
    until(lambda: place.reported(DEVICE), "the first report")

    place.order(DEVICE, place.desired(DEVICE, [wanted]))
    refused = until(lambda: place.reported(DEVICE).refused, "the refusal")

    assert refused.code == "signature.refused"
    assert "trust.keys" in refused.message
    assert place.reported(DEVICE).assignments == ()
    assert place.workers(DEVICE) == set()


def test_an_empty_list_means_run_nothing(place, whole):
    """The worker goes, the store is emptied, and what was observed says so."""
    place.start(DEVICE)
    made = place.deploy(whole.folder, DEVICE)

    place.order(DEVICE, place.desired(DEVICE, epoch=made.epoch, revision=99))
    until(lambda: place.reported(DEVICE).assignments == (), "an empty report")
    until(lambda: place.reported(DEVICE).applied == (made.epoch, 99), "the applied numbers")
    until(lambda: not place.workers(DEVICE), "the worker's end")
    until(lambda: not place.segments(DEVICE), "the empty store")
