"""Options that many commands share."""

from pathlib import Path

from paceline.options import SiteOptions


def test_what_was_typed_is_typed_again_behind_the_next_command():
    """Quoted for a shell; what was not given comes from the same settings."""
    typed = SiteOptions(site="north", ca_file=Path("my ca.pem"), config=Path("c.yaml")).typed

    assert set(typed.split(" --")[1:]) == {"site north", "ca-file 'my ca.pem'", "config c.yaml"}
    assert SiteOptions().typed == ""
