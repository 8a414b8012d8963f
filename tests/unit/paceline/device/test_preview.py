"""A configuration is read by the agent before it is written."""

import pytest

from paceline.device import kinds, looking, places, plan, slot
from paceline.device.closure import Closure
from paceline.device.errors import ConfigRefusedError
from paceline.device.plan import Asked
from paceline.device.preview import check_configuration
from paceline.device.slot import Slot

X86 = kinds.named("x86")
NEW = Slot("1.0-new", Closure({"paceline": "1.0"}, ()), slot.base_python())


def checked(root, **more):
    """Check what installing with these answers would come to."""
    asked = Asked(**{"broker": "mqtts://broker.lan", "trusted": b"key", **more})
    check_configuration(plan.install(asked, X86, NEW, looking.there(root, X86)), root)


def put(root, path, text):
    """Write a file of an image."""
    file = places.below(root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"origin": "nonsense"}, r"^/etc/paceline/agent\.yaml:\d+: artifacts\.origin: "),
        ({"secrets": {"broker.key": b"K"}}, r"broker\.client_key_file: a key without its"),
        (
            {"broker": "mqtt://localhost", "secrets": {"broker.cert": b"C"}},
            r"broker\.client_cert_file: .* is not encrypted",
        ),
    ],
)
def test_a_value_that_the_agent_would_refuse_is_not_written(tmp_path, more, words):
    """Else it would be kept by every later installation, the corrected one, too."""
    with pytest.raises(ConfigRefusedError, match=f"{words}.*nothing was done"):
        checked(tmp_path, **more)
    assert list(tmp_path.iterdir()) == []


def test_files_that_come_with_it_need_not_be_there_yet(tmp_path):
    """The key, the authority and the credentials."""
    checked(tmp_path, ca=b"CA", secrets=dict.fromkeys(plan.SECRETS, b"data"))

    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_is_checked_with_its_drop_ins(tmp_path):
    """An upgrade with a configuration that the agent does not take would stop the device."""
    put(tmp_path, places.AGENT_FILE, "site: mine\n")
    checked(tmp_path)
    put(tmp_path, places.CONFIG / "agent.d/10-mine.yaml", "sight: mine\n")

    with pytest.raises(ConfigRefusedError, match=r"^/etc/paceline/agent\.d/10-mine\.yaml:1: "):
        checked(tmp_path)
