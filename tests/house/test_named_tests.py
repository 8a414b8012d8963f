"""House rule: a test that a page names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("faults.md", "bad-input.md")]
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_it_is_there(page):
    """Files and functions alike."""
    named = re.findall(r"`((?:tests/[\w/]+/)?test_\w+(?:\.py)?(?:::test_\w+)?)`", page.read_text())
    assert len(named) > 10
    for name in named:
        file, _, function = name.rpartition("::") if "::" in name else (name, "", "")
        if file.endswith(".py"):
            folder = ROOT if file.startswith("tests/") else ROOT / "tests" / "system"
            assert (folder / file).exists(), name
        else:
            function = file
        assert not function or function in TESTS, name
