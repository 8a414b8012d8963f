"""What a slot is made of: distributions by their own metadata, and only whole ones."""

import json
from pathlib import Path

import pytest

from paceline.device import closure
from paceline.device.errors import EnvironmentUnusableError


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Return a function that installs a distribution into a folder of packages of its own."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setattr("sys.path", [str(packages)])

    def add(name, *requires, record=True, url=None, version="1.0"):
        info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
        (info / "METADATA").write_text("Metadata-Version: 2.4\n" + "\n".join(lines) + "\n")
        if url is not None:
            (info / "direct_url.json").write_text(json.dumps(url))
        module = f"{name.replace('-', '_')}.py"
        (packages / module).write_text("")
        listed = [f"{module},sha256=AAA,0", f"{info.name}/METADATA,sha256=BBB,1"]
        listed += [f"{info.name}/RECORD,,", f"__pycache__/{name}.cpython-313.pyc,,"]
        listed += [f"../../../bin/{name},sha256=CCC,9"]
        if record:
            (info / "RECORD").write_text("\n".join(listed) + "\n")

    return add


def test_requirements_are_followed_and_extras_of_a_device_with_them(add):
    """What is required and not installed is not for this machine; the cloud side stays away."""
    add(
        "paceline", "msgspec>=0.19", 'onnxruntime>=1.32; extra == "cpu"',
        'onnx; extra == "fleet"', 'absent; python_version < "3"', "Deep_Thing[fast] (>=1)",
    )  # fmt: skip
    add("msgspec")
    add("onnxruntime", "numpy")
    add("numpy")
    add("onnx")
    add("deep-thing", 'quick; extra == "fast"', 'slow; extra == "slow"', "msgspec")
    add("quick")
    add("slow")
    add("bystander")
    found = closure.found()

    assert set(found.versions) == {
        "paceline", "msgspec", "onnxruntime", "numpy", "deep-thing", "quick",
    }  # fmt: skip


def test_programs_and_compiled_files_are_left_behind(add):
    """They name this environment's place, or are made anew."""
    add("paceline")
    names = {file.name for file in closure.found().files}

    assert names == {
        "paceline.py",
        "paceline-1.0.dist-info/METADATA",
        "paceline-1.0.dist-info/RECORD",
    }


def test_the_digest_is_of_the_contents_alone(add):
    """Where and how they were installed makes no other version of them."""
    add("paceline", url={"url": "file:///home/ada/clone", "dir_info": {}})
    found = closure.found()
    moved = closure.Closure(
        found.versions, tuple(file._replace(source=Path("/x")) for file in found.files)
    )
    changed = closure.Closure(
        found.versions, tuple(f._replace(sha256=f.sha256 and "Z") for f in found.files)
    )

    assert found.digest("3.13") == moved.digest("3.13")
    assert found.digest("3.13") != found.digest("3.12")
    assert found.digest("3.13") != changed.digest("3.13")


def test_an_editable_installation_is_refused_with_the_line_that_helps(add):
    """Its code is in a home folder, which the service cannot see."""
    add("paceline", url={"url": "file:///home/ada/clone", "dir_info": {"editable": True}})

    with pytest.raises(EnvironmentUnusableError, match=r"pip install '\.\[cpu\]'"):
        closure.found()


def test_a_distribution_without_a_list_of_its_files_is_refused(add):
    """As some systems' own packages are."""
    add("paceline", "msgspec")
    add("msgspec", record=False)

    with pytest.raises(EnvironmentUnusableError, match=r"msgspec 1\.0 has no list"):
        closure.found()


@pytest.mark.parametrize(
    ("python", "usable"),
    [
        ("/usr/bin/python3.13", True),
        ("/usr/local/bin/python3.13", True),
        ("/opt/python/bin/python3", True),
        ("/root/.local/share/uv/python/cpython-3.13/bin/python3.13", False),
        ("/home/ada/.pyenv/versions/3.13/bin/python3.13", False),
        ("/tmp/python/bin/python3", False),
    ],
)
def test_the_python_must_be_where_the_service_can_see_it(python, usable):
    """Homes are hidden from it: the agent would not even begin."""
    if usable:
        closure.check_python(Path(python))
    else:
        with pytest.raises(EnvironmentUnusableError, match="/usr/bin/python3 -m venv"):
            closure.check_python(Path(python))
