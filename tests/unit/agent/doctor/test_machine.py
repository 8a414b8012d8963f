"""Memory, processor and disk of machines that are fixtures."""

import pytest

from agent.doctor import cpu, disk, memory
from tests.unit.agent.doctor.machines import configured, machine, program, severities, the

PI = {
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
    "boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=1-02 rootwait\n",
}
MEMINFO = "MemTotal:        4000000 kB\nMemFree: 10 kB\nMemAvailable:    {} kB\n"
CPUS = "sys/devices/system/cpu"


def test_a_raspberry_pi_without_memory_controller_is_told_the_line_and_the_file(tmp_path):
    """It boots with the controller off."""
    found = the(memory.findings(machine(tmp_path, PI)), "memory.controller")

    assert found.severity == "warning"
    assert "cgroup_enable=memory" in found.fix
    assert "/boot/firmware/cmdline.txt" in found.fix


def test_the_line_is_there_and_the_pi_was_not_rebooted(tmp_path):
    """Then that is all that is missing."""
    line = PI["boot/firmware/cmdline.txt"].strip() + " cgroup_enable=memory\n"
    found = memory.findings(machine(tmp_path, PI | {"boot/firmware/cmdline.txt": line}))

    assert the(found, "memory.controller").fix == "sudo reboot"


@pytest.mark.parametrize(
    ("controllers", "severity"),
    [("cpu memory pids", "ok"), ("cpu pids", "warning"), (None, "note")],
)
def test_the_memory_controller_elsewhere(tmp_path, controllers, severity):
    """On, off without a Pi's boot folder, or no cgroup v2 at all."""
    files = {"sys/fs/cgroup/cgroup.controllers": controllers} if controllers else {}

    assert severities(memory.controller(machine(tmp_path, files))) == {
        "memory.controller": severity
    }


@pytest.mark.parametrize(
    ("swaps", "severity"),
    [
        ("/dev/mmcblk0p3  partition 102400 1024 -2", "note"),
        ("/var/swap  file 102400 0 -2", "note"),
        ("/dev/zram0  partition 2097152 0 100", "ok"),
    ],
)
def test_swap_on_a_card_is_noted(swaps, severity):
    """It wears the card; compressed memory does not."""
    (found,) = memory.swap(f"Filename Type Size Used Priority\n{swaps}\n")

    assert found.severity == severity


def test_little_memory_and_a_limit_above_it_are_warned_of(tmp_path):
    """Both end in the kernel's killer."""
    subject = configured(tmp_path, "limits: {worker_memory_bytes: 8GiB}")
    found = memory.available(MEMINFO.format(100_000), subject.config)

    assert severities(found) == {"memory.available": "warning", "memory.worker_limit": "warning"}


@pytest.mark.parametrize(
    ("bits", "severity", "says"),
    [
        ("0", "ok", "never"),
        ("50000", "warning", "since the boot: undervoltage, throttled"),
        ("50005", "problem", "now: undervoltage, throttled"),
        ("80008", "problem", "now: soft temperature limit"),
    ],
)
def test_a_pis_throttling_bits_are_read_live_and_sticky(tmp_path, bits, severity, says):
    """What is now is a problem, what was a warning."""
    files = {"sys/devices/platform/soc/soc:firmware/get_throttled": bits}
    found = the(cpu.findings(machine(tmp_path, files)), "cpu.throttled")

    assert (found.severity, says in found.evidence) == (severity, True)


def test_a_pi_may_tell_by_vcgencmd_alone(tmp_path):
    """The file in /sys is deprecated."""
    program(tmp_path, "vcgencmd", "throttled=0x20000\n")
    voltage = {"sys/class/hwmon/hwmon0/name": "rpi_volt"}
    voltage["sys/class/hwmon/hwmon0/in0_lcrit_alarm"] = "0"
    found = the(cpu.findings(machine(tmp_path, voltage)), "cpu.throttled")

    assert "since the boot: frequency capped" in found.evidence
    assert "cool it" in found.fix


@pytest.mark.parametrize(
    ("governor", "driver", "severity"),
    [
        ("ondemand", "cpufreq-dt", "ok"),
        ("powersave", "cpufreq-dt", "warning"),
        ("powersave", "intel_pstate", "ok"),
    ],
)
def test_powersave_holds_the_processor_back_but_not_on_every_driver(
    tmp_path, governor, driver, severity
):
    """With Intel's and AMD's own drivers it rises when there is work."""
    folder = f"{CPUS}/cpu0/cpufreq"
    files = {f"{folder}/scaling_governor": governor, f"{folder}/scaling_driver": driver}

    assert severities(cpu.governor(machine(tmp_path, files))) == {"cpu.governor": severity}


@pytest.mark.parametrize(("count", "severity"), [("0", "ok"), ("17", "note")])
def test_an_x86_processor_counts_how_often_it_was_too_hot(tmp_path, count, severity):
    """Since the boot."""
    files = {f"{CPUS}/cpu{n}/thermal_throttle/core_throttle_count": count for n in range(2)}

    assert severities(cpu.throttled(machine(tmp_path, files))) == {"cpu.throttled": severity}


@pytest.mark.parametrize(
    ("cpuinfo", "severity", "says"),
    [
        ("model name\t: Xeon\nflags\t\t: fpu avx2 avx512_vnni", "note", "Xeon: AVX2, AVX-512 VNNI"),
        ("Features\t: fp asimd asimddp\nModel\t: Pi 5", "note", "NEON, NEON dot product"),
        ("model name\t: Atom\nflags\t\t: fpu sse2", "warning", "neither AVX nor NEON"),
    ],
)
def test_what_runtimes_use_of_a_processor_is_said(cpuinfo, severity, says):
    """Without any of it, inference is many times slower."""
    (found,) = cpu.features(cpuinfo)

    assert (found.severity, says in found.evidence) == (severity, True)


MOUNTS = """\
22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
30 22 0:25 / /var/lib ro,noatime shared:9 - ext4 /dev/mmcblk0p3 rw
31 22 0:26 / /my\\040disk rw shared:9 - vfat /dev/sda1 ro
"""


@pytest.mark.parametrize(
    ("folder", "point", "read_only"),
    [
        ("/home/x", "/", False),
        ("/var/lib/paceline", "/var/lib", True),
        ("/my disk/a", "/my disk", True),
    ],
)
def test_the_file_system_of_a_folder_is_found(tmp_path, folder, point, read_only):
    """The longest mount point counts; read-only may be the mount or the file system."""
    found = disk.mount_of(tmp_path.__class__(folder), MOUNTS)

    assert (found.point, found.read_only) == (point, read_only)


def test_a_read_only_disk_is_a_problem(tmp_path):
    """Nothing could be remembered."""
    subject = configured(tmp_path, f"state_folder: {tmp_path}/state", root=tmp_path)
    machine(tmp_path, {"proc/self/mountinfo": "22 1 179:2 / / ro - ext4 /dev/root rw\n"})

    found = the(disk.findings(subject), "disk.read_only")

    assert (found.severity, "remount,rw /" in found.fix) == ("problem", True)


def test_an_own_folder_with_room_is_well_and_nothing_is_left_in_it(tmp_path):
    """One synced write of a file without a name."""
    folder = tmp_path / "state"
    (folder / "store").mkdir(parents=True)
    (folder / "store" / "weights").write_bytes(bytes(3 << 20))
    folder.chmod(0o700)
    subject = configured(tmp_path, f"state_folder: {folder}")

    found = list(disk.state_folder(subject, subject.config))

    assert severities(found)["disk.state_folder"] == "ok"
    assert "the store holds 3 MiB" in the(found, "disk.room").evidence
    assert [entry.name for entry in folder.iterdir()] == ["store"]


def test_a_folder_that_others_may_write_is_warned_of(tmp_path):
    """Whoever writes there says what the agent runs."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o777)

    (found,) = disk.owner(folder)

    assert (found.severity, found.fix) == ("warning", f"chmod 700 {folder}")


@pytest.mark.parametrize(
    ("free", "limit", "severity"),
    [(10 << 20, "1GiB", "problem"), (1 << 30, "4GiB", "warning"), (8 << 30, "4GiB", "ok")],
)
def test_room_is_compared_with_what_the_store_may_hold(tmp_path, free, limit, severity):
    """And a disk that is nearly full is a problem whatever is allowed."""
    subject = configured(tmp_path, f"limits: {{store_bytes: {limit}}}")

    assert disk.room(free, 0, subject.config, tmp_path).severity == severity


@pytest.mark.parametrize(
    ("life", "severity"), [("0x01 0x02", "ok"), ("0x01 0x09", "warning"), ("0x00 0x00", None)]
)
def test_a_worn_card_is_told(tmp_path, life, severity):
    """As far as it tells itself."""
    found = severities(disk.wear(machine(tmp_path, {"sys/block/mmcblk0/device/life_time": life})))

    assert found.get("disk.wear") == severity


def test_errors_of_a_file_system_are_told(tmp_path):
    """ext4 counts them."""
    found = list(disk.wear(machine(tmp_path, {"sys/fs/ext4/mmcblk0p2/errors_count": "3"})))

    assert severities(found) == {"disk.errors": "warning"}
