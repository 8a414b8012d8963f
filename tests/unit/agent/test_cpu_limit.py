"""What the kernel's files say of a processor quota."""

import pytest

from agent import cpu_limit
from wire.profile_report import CpuLimit

V1 = "9:name=systemd:/\n2:cpu,cpuacct:/a/b\n0::/a\n"
V1_MOUNT = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
V2_MOUNT = "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


@pytest.fixture
def kernel(tmp_path):
    """Give a function that writes files of a kernel, and its root."""

    def write(groups, mounts, **files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        (tmp_path / "proc/self/mountinfo").write_text(mounts)
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_the_narrowest_quota_above_a_process_holds(kernel):
    """Of version 2, in its own group or one above it."""
    root = kernel(
        "0::/a/b\n",
        V2_MOUNT,
        **{
            "a__cpu.max": "2500 10000\n",
            "a__b__cpu.max": "50000 100000\n",
            "cpu.max": "max 100000",
        },
    )

    assert cpu_limit.of_this_process(root) == CpuLimit(quota_seconds=0.0025, period_seconds=0.01)


def test_version_1_says_it_in_two_files(kernel):
    """With -1 where there is none."""
    root = kernel(
        V1,
        V1_MOUNT,
        **{
            "cpu__a__b__cpu.cfs_quota_us": "2500\n",
            "cpu__a__b__cpu.cfs_period_us": "10000\n",
            "cpu__a__cpu.cfs_quota_us": "-1\n",
            "cpu__a__cpu.cfs_period_us": "100000\n",
        },
    )

    assert cpu_limit.of_this_process(root) == CpuLimit(quota_seconds=0.0025, period_seconds=0.01)


def test_a_container_sees_its_own_group_as_the_top(kernel):
    """Where the tree is mounted from its group on."""
    mount = V1_MOUNT.replace(" / /sys", " /a /sys")
    root = kernel(
        V1,
        mount,
        **{
            "cpu__b__cpu.cfs_quota_us": "5000\n",
            "cpu__b__cpu.cfs_period_us": "10000\n",
        },
    )

    assert cpu_limit.of_this_process(root) == CpuLimit(quota_seconds=0.005, period_seconds=0.01)


@pytest.mark.parametrize("text", ["max 100000", "-1", "1 2 3", ""])
def test_no_quota_is_none(kernel, text):
    """Neither is what is not understood."""
    assert cpu_limit.of_this_process(kernel("0::/\n", V2_MOUNT, **{"cpu.max": text})) is None


def test_a_machine_without_control_groups_has_no_quota(tmp_path):
    """Nothing is there to be read."""
    assert cpu_limit.of_this_process(tmp_path) is None
