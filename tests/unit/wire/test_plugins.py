"""Plugins are found by the names of their files."""

import sys

import pytest

from wire import plugins
from wire.errors import UnknownPluginError


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of two plugins, one of which cannot be imported here."""
    folder = tmp_path / "someroom" / "sensors"
    folder.mkdir(parents=True)
    (tmp_path / "someroom" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "__init__.py").write_text("")
    (folder / "warm.py").write_text("PLUGIN = 'the plugin'")
    (folder / "vendor.py").write_text("import a_library_that_nobody_has")
    (folder / "notes.txt").write_text("")
    (folder / "_shared.py").write_text("what both of them use")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "someroom"
    for name in [name for name in sys.modules if name.partition(".")[0] == "someroom"]:
        del sys.modules[name]


def test_names_are_the_sorted_files(room):
    """Each Python file without an underscore is one, and nothing is imported to know it."""
    assert plugins.names("someroom.sensors") == ("vendor", "warm")
    assert "someroom" not in sys.modules


def test_load_returns_what_the_file_exports(room):
    """A plugin loads although its neighbour's vendor library is missing."""
    (room / "__init__.py").write_text("")

    assert plugins.load("someroom.sensors", "warm") == "the plugin"
    assert "someroom.sensors.vendor" not in sys.modules


@pytest.mark.parametrize("name", ["hot", "", "..warm", "warm.py", "sensors/warm", "__init__"])
def test_unknown_name_is_refused_with_the_known_ones(room, name):
    """A wrong name names the right ones and the file to add; nothing is imported by it."""
    with pytest.raises(UnknownPluginError, match="known: vendor, warm") as caught:
        plugins.load("someroom.sensors", name)

    assert caught.value.known == ("vendor", "warm")
    assert f"add someroom/sensors/{name}.py" in str(caught.value)
    assert "someroom" not in sys.modules


def test_package_that_does_not_exist_has_no_plugins():
    """A room or folder that is not installed offers nothing."""
    assert plugins.names("noroom.sensors") == ()
    assert plugins.names("wire.nofolder") == ()
