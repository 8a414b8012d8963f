"""Python and the C library."""

import pytest

from agent.doctor import python
from tests.unit.agent.doctor.machines import distribution, machine, the


@pytest.mark.parametrize(
    ("version", "severity"),
    [((3, 10), "problem"), ((3, 11), "ok"), ((3, 12), "note"), ((3, 13), "ok"), ((3, 15), "note")],
)
def test_old_and_untested_versions_are_told(version, severity):
    """Below 3.11 nothing runs; what nobody has tried is said."""
    assert python.version(version, "python").severity == severity


@pytest.mark.parametrize(
    ("bits", "machine_name", "severity"),
    [
        (64, "x86_64", "ok"),
        (64, "aarch64", "ok"),
        (64, "riscv64", "warning"),
        (32, "armv7l", "problem"),
    ],
)
def test_32_bits_are_a_problem(bits, machine_name, severity):
    """The runtimes have no wheels for them: a 32-bit Raspberry Pi OS."""
    assert python.bits(bits, machine_name).severity == severity


def test_musl_is_refused_by_name():
    """Alpine: there is no glibc."""
    found = python.libc("", "", asked=None)

    assert (found.severity, "musl" in found.evidence) == ("problem", True)


def test_the_newest_glibc_that_a_wheel_asks_for_is_found(tmp_path):
    """Of the tags of one wheel the oldest counts, of all wheels the newest."""
    distribution(tmp_path, "old", tags=["cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"])
    both = "cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64"
    distribution(tmp_path, "new", tags=[both])
    distribution(tmp_path, "pure", tags=["py3-none-any"])
    subject = machine(tmp_path, search_path=[str(tmp_path)])

    found = the(python.findings(subject), "python.libc")

    assert "at least 2.27 (new)" in found.evidence
    assert python.libc("glibc", "2.26", asked=((2, 27), "new")).severity == "problem"
