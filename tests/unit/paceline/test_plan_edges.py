"""``paceline plan MODEL`` at its edges: what is asked for, described or kept in an unusual way."""

import json

import onnx
import pytest
from msgspec.structs import replace
from onnx import TensorProto, helper

from fleet import survey as surveying
from fleet.fleet_file import reading
from fleet.formats import CutRequest
from fleet.model_plan import answering
from fleet.model_plan import setting as settings
from fleet.model_plan.answering import Asked
from fleet.profiles import measure, store
from paceline import cli
from tests.unit.paceline.test_plan_model import FLEET, ROWS, WIDTH, keep, place, planned

__all__ = ["place"]
SMALL = FLEET.replace("1GiB", "6.2MiB")
"""No device holds the whole model."""


def changed(place, change):
    """Change the model, and keep profiles of it as of the one before."""
    model = onnx.load(place / "chain.onnx")
    change(model.graph)
    onnx.save(model, place / "chain.onnx")
    for device in ("pi-1", "pi-2"):
        keep(place, device, 0.060)


def kept_again(place, change):
    """Keep each profile again as ``change`` returns it."""
    folder = place / "cache" / "profiles"
    model = surveying.chain(place / "chain.onnx", CutRequest()).model
    for profile in store.of_model(folder, model.sha256):
        store.keep(folder, change(profile))


def test_one_operator_without_room_for_frames_in_flight_does_not_fit(place, capsys):
    """There is no cut to look for: nothing fits, and why is told."""
    one = helper.make_graph(
        [helper.make_node("Tanh", ["x"], ["y"])],
        "one",
        *([helper.make_tensor_value_info(n, TensorProto.FLOAT, [ROWS, WIDTH])] for n in "xy"),
    )
    changed(place, lambda graph: graph.CopyFrom(one))
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1MiB"))

    found = planned(place, capsys, code=4)

    assert found["verdict"] == "infeasible"
    assert "frames in flight" in found["shortage"]["reasons"][-1]


def test_storage_counts_files_however_much_loading_takes(place, capsys):
    """Weights that loading doubles in memory are stored once for each of two generations."""

    def doubled(profile):
        (part,) = profile.parts
        memory = replace(part.report.memory, loaded_bytes=12 << 20)
        part = replace(part, report=replace(part.report, memory=memory))
        return replace(profile, parts=(part,))

    kept_again(place, doubled)
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1GiB, storage: 12MiB"))
    whole = planned(place, capsys)
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1GiB, storage: 11.9MiB"))
    cut = planned(place, capsys)
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1GiB, storage: 1MiB"))
    none = planned(place, capsys, code=4)

    assert whole["single"]["stages"][0]["weight_bytes"] == 6 << 20
    assert (cut["single"], cut["verdict"]) == (None, "split")
    assert none["shortage"]["nearest_change"].startswith("free storage on pi-1")


def test_more_stages_are_the_nearest_change_where_their_number_is_in_the_way(place, capsys):
    """Memory is enough for two stages: none is asked for more of it."""
    (place / "fleet.yaml").write_text(SMALL)
    planned(place, capsys, "--max-stages", "2")

    found = planned(place, capsys, "--max-stages", "1", code=4)

    assert found["shortage"]["nearest_change"] == "allow more than --max-stages 1"


def test_pins_that_are_in_the_way_are_named(place, capsys):
    """A device has one stage: three pins that need it twice are said; two of one operator, too."""
    pins = "--pin", "m0=pi-1", "--pin", "m2=pi-2", "--pin", "y=pi-1"

    found = planned(place, capsys, *pins, code=4)
    twice = planned(place, capsys, "--pin", "m0=pi-1", "--pin", "m0=pi-2", code=3)

    assert any("pinned" in reason for reason in found["shortage"]["reasons"])
    assert "pinned to pi-1, too" in twice["error"]["message"]


def test_an_input_that_nothing_reads_is_in_no_profile(place, capsys):
    """The model is planned all the same, by the sizes of those that something reads."""
    unused = helper.make_tensor_value_info("unused", TensorProto.FLOAT, [3])
    changed(place, lambda graph: graph.input.append(unused))

    assert planned(place, capsys)["feasible"]


def test_what_is_paid_in_two_currencies_is_no_sum(place, capsys):
    """Prices that cannot be added leave the cost of a frame unknown."""
    text = FLEET.replace("1GiB", "1GiB, cost: {amount: 0.36, unit: EUR/hour}")
    link = "{bandwidth: 940Mbit, cost: {amount: 1, unit: %s/million_messages}}"
    pins = "--pin", "m0=pi-1", "--pin", "y=pi-2"
    costs = []
    for money in ("EUR", "USD"):
        (place / "fleet.yaml").write_text(text.replace("940Mbit,0.3ms", link % money))
        costs.append(planned(place, capsys, *pins)["chosen"]["cost"])

    assert costs == [pytest.approx(0.36 / 3600 * 0.060 + 2e-6), None]


def test_tensors_of_any_name_can_be_planned_and_simulated(place, capsys):
    """Names that an instance does not take are left out of it."""

    def renamed(graph):
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = ["m" * 300 if name == "m1" else name for name in names]

    changed(place, renamed)
    found = planned(place, capsys)
    (place / "plan.json").write_text(json.dumps(found))

    assert cli.run(["simulate", str(place / "plan.json"), "--frames", "100", "--json"]) == 0


def test_this_machine_is_this_one_though_others_are_kept_beside(place, capsys):
    """A cache that was another machine's before is no profile of this one."""
    for name, run in (("aa", 0.030), (measure.machine(), 0.010), ("zz", 0.020)):
        keep(place, name, run, site="")

    assert cli.run(["plan", str(place / "chain.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["single_device"] == measure.machine()


def test_a_codec_that_no_device_lists_is_left_out(place):
    """Where that is all that was allowed, tensors travel as they are."""
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in kept}
    fleet, _ = reading.parsed(SMALL, "fleet.yaml")
    setting = settings.setting(chain, fleet, profiles, {}, pins={}, command="profile")

    found = answering.answer(replace(setting, codecs=frozenset({"raw"})), Asked(codecs=("fp16",)))

    assert {hop.codec for hop in found.chosen.hops} == {"raw"}


def test_a_codec_that_saves_little_is_left_out_and_said(place):
    """Raw is taken where others save less than 1 %, and is not called optimal then."""
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in kept}
    text = "devices: {pi-1: {}, pi-2: {}}\nlinks: {pi-1>pi-2: {bandwidth: 800Mbit}}\n"
    fleet, _ = reading.parsed(text, "fleet.yaml")
    pins = {"m0": "pi-1", "y": "pi-2"}
    setting = settings.setting(chain, fleet, profiles, {}, pins=pins, command="profile")

    raw, fp16, either = (
        answering.answer(setting, Asked(goal="latency", codecs=allowed))
        for allowed in (("raw",), ("fp16",), ("raw", "fp16"))
    )

    assert [hop.codec for hop in fp16.chosen.hops] == ["fp16"]
    assert [hop.codec for hop in either.chosen.hops] == ["raw"]
    assert (raw.optimal, either.optimal) == (True, False)
    saved = 1 - fp16.chosen.latency_seconds / raw.chosen.latency_seconds
    assert saved - 1e-9 <= either.gap <= 0.01


def test_alike_devices_do_not_answer_sooner_together(place, capsys):
    """For latency the whole model is on one device, whatever sums of shares are rounded to."""
    many = [f"pi-{number}" for number in range(1, 8)]
    for device in many:
        keep(place, device, 0.060)
    for count in range(2, 8):
        devices = ", ".join(f"{name}: {{}}" for name in many[:count])
        (place / "fleet.yaml").write_text(f"devices: {{{devices}}}\n")

        found = planned(place, capsys, "--goal", "latency")

        assert found["chosen"]["to"] == "pi-1"


def test_a_profile_that_takes_no_time_is_a_damaged_one(place, capsys):
    """It counts as none: the device is named, with the command that measures it."""
    for file in (place / "cache" / "profiles").glob("*.json"):
        data = json.loads(file.read_bytes())
        data["parts"][0]["report"]["run"]["p50"] = 0
        file.write_text(json.dumps(data))

    found = planned(place, capsys, code=3)

    assert found["error"]["code"] == "plan.no_profile"


def test_what_costs_most_is_told_for_costs(place, capsys):
    """Of money and not of time; a plan that costs nothing has no shares to tell."""
    free = "pi-1: {memory: 1GiB, cost: {amount: 0, unit: EUR/hour}}"
    rented = "pi-2: {memory: 1GiB, cost: {amount: %s, unit: EUR/hour}}"
    pins = "--goal", "cost", "--pin", "m0=pi-1", "--pin", "y=pi-2", "--explain"
    said = []
    for amount in ("1", "0"):
        text = FLEET.replace("pi-1: {memory: 1GiB}", free)
        text = text.replace("pi-2: {memory: 1GiB}", rented % amount)
        (place / "fleet.yaml").write_text(text)
        said.append(planned(place, capsys, *pins, "--svg", str(place / "plan.svg")))

    paid, nothing = said
    assert (paid["explanation"]["bottleneck"], nothing["explanation"]) == ("pi-2", None)
    assert paid["words"][1] == "pi-2 takes most of a frame's cost: 100% of it."
    assert nothing["objective"] == 0


@pytest.mark.parametrize("read", ["x", "w"])
def test_a_model_that_computes_nothing_is_refused(place, capsys, read):
    """Without operators, or with such as depend on weights alone: as `paceline split` says it."""

    def emptied(graph):
        nodes = [] if read == "x" else [helper.make_node("Tanh", ["w0"], ["y"])]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.output[0].name = "y" if nodes else "x"

    changed(place, emptied)

    found = planned(place, capsys, code=4)

    assert found["error"]["code"] == "cut.impossible"
