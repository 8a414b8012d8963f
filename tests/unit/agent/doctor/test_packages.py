"""Installed packages, as their metadata shows them."""

import pytest

from agent.doctor import packages
from tests.unit.agent.doctor.machines import distribution, machine, severities, the, told

ORT = ("onnxruntime/__init__.py", "onnxruntime/capi/_pybind_state.py")


@pytest.fixture
def site(tmp_path):
    """A folder of distributions, with ours."""
    folder = tmp_path / "site"
    asked = ["numpy>=1.26", "paho-mqtt<3,>=2.1", 'onnxruntime>=1.32; extra == "cpu"']
    distribution(folder, "paceline", files=["agent/__init__.py"], requires=asked)
    distribution(folder, "numpy", "2.1.0")
    distribution(folder, "paho-mqtt", "2.1")
    return folder


def found(site, **changes):
    """Return what is found there."""
    subject = machine(site.parent, search_path=[str(site)], folder=site.parent, **changes)
    return list(packages.findings(subject))


def test_what_fits_is_well(site):
    """One owner of `onnxruntime`, our names ours, versions within their ranges."""
    distribution(site, "onnxruntime", "1.32.0", files=ORT)

    assert set(severities(found(site)).values()) == {"ok"}


def test_two_owners_of_onnxruntime_are_named_with_the_line_that_repairs(site):
    """Both have files below one import name; the one for the accelerator is kept."""
    distribution(site, "onnxruntime", "1.32.0", files=ORT)
    distribution(site, "onnxruntime-gpu", "1.32.0", files=ORT)

    owners = the(found(site), "packages.onnxruntime")

    assert owners.severity == "problem"
    assert "onnxruntime and onnxruntime-gpu" in owners.evidence
    assert "uninstall -y onnxruntime onnxruntime-gpu && " in owners.fix
    assert owners.fix.endswith("install onnxruntime-gpu")


@pytest.mark.parametrize(
    ("files", "summary", "severity"),
    [
        (
            ["pycoral/__init__.py", "pycoral/pycoral.py"],
            "Simple CLI for Allen Coral Atlas",
            "problem",
        ),
        (["pycoral/__init__.py", "pycoral/utils/edgetpu.py"], "Coral Python API", "ok"),
    ],
)
def test_the_wrong_pycoral_is_recognised(site, files, summary, severity):
    """By what it contains; what it says of itself is shown."""
    distribution(site, "pycoral", "0.2.0", files=files, summary=summary)

    coral = the(found(site), "packages.pycoral")

    assert (coral.severity, summary in coral.evidence) == (severity, True)


def test_another_owner_of_our_names_is_named(site):
    """`agent` and `wire` are short names: others have them, too."""
    distribution(site, "agent-framework", files=["agent/__init__.py"])

    names = the(found(site), "packages.names")

    assert names.severity == "problem"
    assert "agent-framework also owns our import name agent" in names.evidence


def test_versions_out_of_range_and_missing_packages_are_named(site):
    """What an extra asks for is a warning: an older runtime may do."""
    distribution(site, "onnxruntime", "1.23.0", files=ORT)
    (site / "paho_mqtt-2.1.dist-info" / "METADATA").write_text("Name: paho-mqtt\nVersion: 3.0\n")
    (site / "numpy-2.1.0.dist-info" / "METADATA").unlink()

    told_of = sorted((f.severity, f.evidence) for f in found(site) if f.id == "packages.versions")

    assert told_of == [
        ("problem", "numpy is missing"),
        ("problem", "paho-mqtt 3.0 is installed, we ask for <3,>=2.1"),
        ("warning", "onnxruntime 1.23.0 is installed, we ask for >=1.32 ([cpu])"),
    ]


def test_what_shadows_our_names_is_named(site, tmp_path):
    """In PYTHONPATH it breaks every command, in the folder that we are in only some."""
    (tmp_path / "wire.py").touch()
    (tmp_path / "elsewhere" / "agent").mkdir(parents=True)
    (tmp_path / "elsewhere" / "agent" / "__init__.py").touch()
    environ = {"PYTHONPATH": f"{tmp_path / 'elsewhere'}:"}

    shadows = [f for f in found(site, environ=environ) if f.id == "packages.shadowed"]

    assert [f.severity for f in shadows] == ["problem", "warning"]
    assert str(tmp_path / "elsewhere" / "agent") in shadows[0].evidence
    assert str(tmp_path / "wire.py") in shadows[1].evidence


def test_a_folder_without_init_shadows_nothing(site, tmp_path):
    """Python prefers a whole package further down its path."""
    (tmp_path / "agent").mkdir()

    assert "packages.shadowed" not in told(found(site))


def test_a_left_over_folder_is_no_distribution(site):
    """An uninstall that was interrupted leaves a folder without a name."""
    (site / "gone-1.0.dist-info").mkdir()

    assert "doctor.check_failed" not in told(found(site))
