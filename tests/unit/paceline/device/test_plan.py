"""What installing, upgrading and taking off come to, step by step."""

import json
from pathlib import Path

import pytest
import yaml

from paceline.device import kinds, places, plan
from paceline.device.closure import Closure
from paceline.device.errors import AnswerMissingError
from paceline.device.perform import perform
from paceline.device.plan import Asked, There
from paceline.device.slot import Slot, superfluous
from paceline.device.steps import (
    Join,
    Keep,
    MakeSlot,
    MakeUser,
    Reload,
    Remove,
    RemoveEmpty,
    RemoveUser,
    Start,
    Stop,
    Switch,
    Write,
)

NEW = Slot("0.2.0-new", Closure({"paceline": "0.2.0"}, ()), Path("/usr/bin/python3.13"))
ASKED = Asked(broker="mqtts://broker.lan", trusted=b"key")
X86 = kinds.named("x86")
NOTHING = Asked()


def there(files=None, **more):
    """Return a device with these files."""
    held = {Path(name): data for name, data in (files or {}).items()}
    return There(read=held.get, **more)


def after(steps):
    """Return the files that are there when the steps were done on an empty device."""
    return {str(step.path): step.data for step in steps if isinstance(step, Write)}


def of(steps, *types):
    """Return the steps of these types."""
    return [step for step in steps if isinstance(step, types)]


def configuration(asked, kind=X86):
    """Return what a new agent.yaml says."""
    steps = plan.install(asked, kind, NEW, there())
    return yaml.safe_load(after(steps)[str(places.AGENT_FILE)])


# --- a first installation


def test_a_first_installation_makes_everything_and_starts_it_last():
    """The slot is tried before anything points to it, and the configuration before it runs."""
    steps = plan.install(ASKED, X86, NEW, there(groups=("plugdev",)))

    assert [type(step) for step in steps[:2]] == [MakeUser, Join]
    assert steps[-2:] == [Reload(), Start(anew=True)]
    order = [step.row().action for step in steps]
    assert order.index("write") < order.index("slot") < order.index("check") < order.index("switch")
    assert after(steps)[str(places.TRUSTED_FILE)] == b"key"


def test_in_an_image_nothing_is_started():
    """Nothing runs there; it is enabled by the same link as everywhere."""
    steps = plan.install(ASKED, X86, NEW, there(is_image=True))

    assert of(steps, Start, Reload) == []
    assert str(places.WANTED_BY) in [step.row().subject for step in steps]


def test_secrets_are_roots_alone_and_named_as_credentials():
    """They are never in the configuration, nor in what is shown."""
    secrets = {"broker.password": b"sesame", "broker.cert": b"C", "broker.key": b"K"}
    asked = Asked(broker="mqtts://b", trusted=b"key", ca=b"CA", username="me", secrets=secrets)
    steps = plan.install(asked, X86, NEW, there())

    written = [step for step in of(steps, Write) if step.path.parent == places.CREDENTIALS]
    assert {(step.path.name, step.data, step.mode) for step in written} == {
        (name, data, 0o600) for name, data in secrets.items()
    }
    assert "sesame" not in str([step.row() for step in steps])
    broker = configuration(asked)["broker"]
    assert broker["password_file"] == "credential:broker.password"
    assert broker["client_cert_file"] == "credential:broker.cert"
    assert broker["client_key_file"] == "credential:broker.key"
    assert (broker["ca_file"], broker["username"]) == ("/etc/paceline/ca.pem", "me")


@pytest.mark.parametrize(
    ("broker", "origin", "expected"),
    [
        ("mqtts://broker.lan:1", None, "http://broker.lan:8788"),
        ("mqtts://[fd00::1]", None, "http://[fd00::1]:8788"),
        ("mqtt://localhost", None, "http://localhost:8788"),
        ("mqtts://broker.lan", "http://laptop:1", "http://laptop:1"),
    ],
)
def test_segments_come_from_the_machine_with_the_broker_unless_another_is_named(
    broker, origin, expected
):
    """Most often one machine is both; forgetting it would end in a fetch that fails."""
    asked = Asked(broker=broker, origin=origin, trusted=b"key")

    assert configuration(asked)["artifacts"]["origin"] == expected


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(trusted=b"key"), "--broker"),
        (Asked(broker="mqtt://localhost"), "paceline key show"),
        (Asked(broker="mqtt://broker.lan", trusted=b"key"), "--password-file"),
        (Asked(broker="mqtt://broker.lan", trusted=b"key", username="me"), "--insecure"),
    ],
)
def test_what_would_not_work_is_asked_for_before_anything_is_done(asked, words):
    """A device in a cupboard that obeys nobody, or does not start, helps nobody."""
    with pytest.raises(AnswerMissingError, match=words):
        plan.install(asked, X86, NEW, there())


def test_an_open_broker_is_taken_when_it_is_said():
    """And it stands in the configuration."""
    asked = Asked(broker="mqtt://broker.lan", trusted=b"key", insecure=True)

    assert configuration(asked)["insecure"] is True


@pytest.mark.parametrize("name", kinds.NAMES)
def test_each_kind_has_its_own_example(name):
    """A Pi's memory is no server's."""
    steps = plan.install(ASKED, kinds.named(name), NEW, there())

    assert f"configs/{name}.yaml" in after(steps)[str(places.AGENT_FILE)].decode()


# --- an upgrade


def upgraded(asked=NOTHING, *, current="0.1.0-old", slots=("0.1.0-old",), files=None):
    """Return the steps of installing again where a first installation was done."""
    held = {**after(plan.install(ASKED, X86, NEW, there())), **(files or {})}
    return plan.install(asked, X86, NEW, there(held, has_user=True, current=current, slots=slots))


def test_an_upgrade_writes_only_what_is_new_and_keeps_the_configuration():
    """What people edited is theirs; what was said for nothing is named."""
    steps = upgraded(Asked(site="lab"), files={str(places.AGENT_FILE): b"site: mine"})

    assert of(steps, Write, MakeUser) == []
    (keep,) = of(steps, Keep)
    assert keep.subject == str(places.AGENT_FILE)
    assert keep.detail.endswith("not written into it: site")
    assert of(steps, MakeSlot, Switch, Start) == [MakeSlot(NEW), Switch(NEW.name), Start(anew=True)]


def test_installing_the_same_again_does_not_disturb_the_service():
    """No slot is made, and what runs goes on."""
    steps = upgraded(current=NEW.name, slots=(NEW.name,))

    assert of(steps, Write, MakeSlot, Remove) == []
    assert of(steps, Start) == [Start(anew=False)]


def test_units_that_are_no_longer_wanted_are_removed():
    """Such as the drop-in of an accelerator that this device no longer has."""
    noted = {"files": [str(places.DROP_INS / "x.conf"), str(places.UNIT_FILE)]}
    files = {str(places.INSTALLED_FILE): json.dumps(noted).encode()}

    assert [step.path for step in of(upgraded(files=files), Remove)] == [places.DROP_INS / "x.conf"]


@pytest.mark.parametrize(
    ("new", "current", "slots", "gone"),
    [
        ("c", "b", ("a", "b"), ("a",)),
        ("c", "a", ("a", "b"), ("b",)),
        ("b", "b", ("a", "b"), ()),
        ("c", "c", ("a", "b", "c"), ("a",)),
        ("a", None, (), ()),
        ("c", "gone", ("a", "b"), ("a",)),
    ],
)
def test_the_version_before_is_kept_and_older_ones_are_not(new, current, slots, gone):
    """The way back is one link; a disk does not fill up."""
    assert superfluous(new, current, slots) == gone


# --- taking off


def test_taking_off_keeps_what_is_the_users():
    """Configuration, secrets and segments; it says so, and how to remove them."""
    files = after(plan.install(ASKED, X86, NEW, there()))
    steps = plan.removal(there(files, has_user=True), purge=False)
    removed = {str(step.path) for step in of(steps, Remove)}

    assert steps[0] == Stop()
    assert {str(places.UNIT_FILE), str(places.WANTED_BY), str(places.SLOTS)} <= removed
    assert not removed & {str(places.AGENT_FILE), str(places.TRUSTED_FILE), str(places.STATE)}
    assert {step.subject for step in of(steps, Keep)} == {str(places.CONFIG), str(places.STATE)}


@pytest.mark.parametrize(
    "data", [b'{"files": ["/etc', b"[]", b'{"files": 3}', b"\xff", b"[" * 9999]
)
def test_a_damaged_note_counts_as_none(data):
    """What an installation may have written is removed then; an upgrade goes on."""
    files = {str(places.INSTALLED_FILE): data}
    steps = plan.removal(there(files), purge=False)

    removed = {step.path for step in of(steps, Remove)}
    assert {places.UNIT_FILE, places.WANTED_BY, places.DROP_INS / "coral.conf"} <= removed
    assert of(upgraded(files=files), Remove) == []


@pytest.mark.parametrize(
    "name",
    [
        "/../host/precious", "/etc/passwd", "etc/systemd/system/paceline-agent.service", "",
        "/etc/systemd/system/paceline-agent.service.d/../ssh.conf", "/etc/paceline/agent.yaml",
        "/etc/systemd/system/paceline-agent.service.d/..", "/etc/udev/rules.d/60-block.rules",
        "/etc/systemd/system/paceline-agent.service.d/\0.conf", str(places.UNIT_FILE) + "\n",
    ],
)  # fmt: skip
def test_a_note_cannot_name_what_an_installation_does_not_write(name):
    """Nothing else is removed, whoever wrote it there."""
    files = {str(places.INSTALLED_FILE): json.dumps({"files": [name]}).encode()}

    assert of(upgraded(files=files), Remove) == []
    removed = {str(step.path) for step in of(plan.removal(there(files), purge=False), Remove)}
    assert removed == {str(places.SLOTS), str(places.INSTALLED_FILE)}


def test_drop_ins_of_the_user_stay(tmp_path):
    """The folder goes when nothing of theirs is in it."""
    steps = [RemoveEmpty(places.DROP_INS)]
    folder = tmp_path / places.DROP_INS.relative_to("/")
    perform(steps, tmp_path, str)  # none there: fine
    folder.mkdir(parents=True)
    (folder / "mine.conf").touch()
    perform(steps, tmp_path, str)
    assert (folder / "mine.conf").exists()
    (folder / "mine.conf").unlink()
    perform(steps, tmp_path, str)

    assert not folder.exists()
    files = after(plan.install(ASKED, kinds.named("coral"), NEW, there()))
    planned = plan.removal(there(files), purge=False)
    assert places.DROP_INS not in {step.path for step in of(planned, Remove)}
    assert places.DROP_INS / "coral.conf" in {step.path for step in of(planned, Remove)}
    assert of(planned, RemoveEmpty) == steps


def test_purging_leaves_nothing():
    """Neither a secret nor a user."""
    steps = plan.removal(there(has_user=True, is_image=True), purge=True)

    removed = {str(step.path) for step in of(steps, Remove)}
    assert {str(places.CONFIG), str(places.STATE), str(places.DROP_INS)} <= removed
    assert of(steps, RemoveUser) == [RemoveUser()]
    assert of(steps, Stop, Reload) == []
