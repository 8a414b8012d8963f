"""Values are set in an example, and its comments stay."""

import pytest

from agent import config
from paceline.device import kinds, share, template

VALUES = {
    "device": "pi-7",
    "site": "lab",
    "broker.url": "mqtts://broker.local",
    "broker.username": "me: # you",
    "broker.password_file": "/p",
    "broker.ca_file": "/etc/paceline/ca.pem",
    "broker.client_cert_file": "/c",
    "broker.client_key_file": "/k",
    "insecure": True,
    "artifacts.origin": "http://laptop:8788",
    "trust.keys": ["/etc/paceline/trusted.pub"],
}


@pytest.mark.parametrize("kind", kinds.NAMES)
def test_every_value_that_install_sets_is_what_the_agent_reads(kind, tmp_path):
    """In each example, whether the key is set there or stands behind a comment sign."""
    example = share.read("configs", f"{kind}.yaml").decode()
    file = tmp_path / "agent.yaml"
    file.write_text(template.filled(example, VALUES))
    rows = config.load(file, {}).rows()

    assert {key: rows[key]["value"] for key in VALUES} == VALUES
    before, after = example.splitlines(), file.read_text().splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == len(VALUES)


def test_a_key_that_an_example_lacks_is_a_fault_of_ours():
    """And none is set in the group that follows."""
    with pytest.raises(KeyError):
        template.filled("broker:\n  url: x\nartifacts:\n  ca_file: y\n", {"broker.ca_file": "z"})


def test_nothing_to_set_changes_nothing():
    """Byte for byte."""
    text = share.read("configs", "x86.yaml").decode()

    assert template.filled(text, {}) == text
