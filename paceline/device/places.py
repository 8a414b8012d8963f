"""Where things are on a device; each path is below the root that is installed into."""

from pathlib import Path
from typing import Final

USER: Final = "paceline"
SERVICE: Final = "paceline-agent"

CONFIG: Final = Path("/etc/paceline")
AGENT_FILE: Final = CONFIG / "agent.yaml"
SCHEMA_FILE: Final = CONFIG / "agent.schema.json"
TRUSTED_FILE: Final = CONFIG / "trusted.pub"
CA_FILE: Final = CONFIG / "ca.pem"
CREDENTIALS: Final = CONFIG / "credentials"
INSTALLED_FILE: Final = CONFIG / "installed.json"
"""What was installed, for whoever takes it off again."""

STATE: Final = Path("/var/lib/paceline")
SLOTS: Final = STATE / "slots"
CURRENT: Final = SLOTS / "current"
"""A symbolic link to the slot that the service runs from."""

UNITS: Final = Path("/etc/systemd/system")
UNIT_FILE: Final = UNITS / f"{SERVICE}.service"
DROP_INS: Final = UNITS / f"{SERVICE}.service.d"
WANTED_BY: Final = UNITS / "multi-user.target.wants" / f"{SERVICE}.service"
UDEV_RULES: Final = Path("/etc/udev/rules.d")


def below(root: Path, path: Path) -> Path:
    """Return where ``path`` is when ``root`` is the root."""
    return root / path.relative_to("/")
