"""House rule: no tracked file names a package registry's host.

Where packages come from is the affair of whoever installs; a lock file or a log that names a host
breaks for everyone behind a mirror.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In parts, so that this file passes its own test.
HOSTS = tuple(
    ".".join(parts).encode()
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ports", "ubuntu", "com"),
        ("archive", "raspberrypi", "com"),
        ("archive", "raspberrypi", "org"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
    )
)


def hosts_in(content):
    """Return the registry hosts that stand in ``content``, in any case of letters."""
    lower = content.lower()
    return [host.decode() for host in HOSTS if host in lower]


def tracked_files():
    """Return the files that git tracks; skips outside a git checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files are tracked")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_tracked_file_names_a_registry_host():
    """`git grep` for a registry's host finds nothing."""
    files = tracked_files()
    found = {str(path): hosts for path in files if (hosts := hosts_in(path.read_bytes()))}

    assert files
    assert found == {}


def test_lock_file_is_not_tracked():
    """`uv.lock` spells out hosts, so git ignores it."""
    assert ROOT / "uv.lock" not in tracked_files()


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.decode().replace(".", "-"))
def test_rule_finds_what_breaks_it(host):
    """The rule itself is tested: inside an address and in capitals, too."""
    assert host.decode() in hosts_in(b'url = "https://files.' + host.upper() + b'/simple"')
    assert hosts_in(b"pip install paceline") == []
