"""House rule: what others made in `fleet/hub/web/static/` is byte for byte what is listed."""

import hashlib
import json
from pathlib import Path

STATIC = Path(__file__).parents[2] / "fleet" / "hub" / "web" / "static"
OURS = {"hub.css", "hub.js", "icon.svg", "vendored.json"}
LISTED = json.loads((STATIC / "vendored.json").read_text())


def test_every_file_has_its_digest():
    """No file of others is edited; `scripts/vendor` fetches and lists them anew."""
    found = {one["file"]: hashlib.sha256((STATIC / one["file"]).read_bytes()) for one in LISTED}

    assert {one["file"]: one["sha256"] for one in LISTED} == {
        name: digest.hexdigest() for name, digest in found.items()
    }


def test_every_file_is_listed_or_ours():
    """Each of others comes with package, version and licence, and the licence's text is there."""
    assert {path.name for path in STATIC.iterdir()} == {one["file"] for one in LISTED} | OURS
    assert all(one["package"] and one["version"] and one["licence"] for one in LISTED)
    for package in {one["package"] for one in LISTED}:
        files = [one["file"] for one in LISTED if one["package"] == package]
        assert [name for name in files if name.endswith(".LICENSE")]
