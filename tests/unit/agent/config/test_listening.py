"""How ``direct.listen`` and ``direct.addresses`` are written."""

import pytest

from agent import config
from agent.config.errors import ConfigError

GOOD = ["none", "0.0.0.0:0", "127.0.0.1:65535", "[::1]:0", "[::]:4000-4010", "10.0.0.1:1-1"]
BAD = [
    "", "localhost:0", "0.0.0.0", ":0", "0.0.0.0:70000", "0.0.0.0:9-8", "0.0.0.0:0-5", "1.2.3:4",
    "::1:0", "[fe80::1%eth0]:0", "none:0", "0.0.0.0:5-70000", "0.0.0.0:0 ",
]  # fmt: skip


def loaded(tmp_path, text):
    """Return the configuration in a file's text."""
    file = tmp_path / "agent.yaml"
    file.write_text(text)
    return config.load(file, {"HOME": str(tmp_path)}).config


@pytest.mark.parametrize("listen", GOOD)
def test_addresses_with_ports_are_taken(tmp_path, listen):
    """Or none at all."""
    assert loaded(tmp_path, f"direct: {{listen: '{listen}'}}").direct.listen == listen


@pytest.mark.parametrize("listen", BAD)
def test_what_cannot_be_listened_to_is_refused_with_an_example(tmp_path, listen):
    """Names, too: what one resolves to is not said here."""
    with pytest.raises(ConfigError, match=r"agent\.yaml:1: direct\.listen: .*0\.0\.0\.0:0"):
        loaded(tmp_path, f"direct: {{listen: '{listen}'}}")


@pytest.mark.parametrize("addresses", ["[pi-1]", "['1.2.3.4:80']", "[7]", str(["10.0.0.1"] * 9)])
def test_what_is_told_to_others_are_addresses(tmp_path, addresses):
    """No names, no ports, at most eight."""
    with pytest.raises(ConfigError, match=r"direct\.addresses"):
        loaded(tmp_path, f"direct: {{addresses: {addresses}}}")


def test_both_can_be_set_in_the_environment():
    """Lists are separated by commas."""
    made = config.load(
        None,
        {
            "HOME": "/h",
            "PACELINE_DIRECT_LISTEN": "none",
            "PACELINE_DIRECT_ADDRESSES": "10.0.0.1,::2",
        },
    )

    assert made.config.direct == config.Direct(listen="none", addresses=("10.0.0.1", "::2"))
