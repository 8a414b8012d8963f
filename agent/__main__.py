"""``paceline-agent`` and ``python -m agent``: the service, or one of its child commands.

Each is imported when it is asked for: children are many and short, and need little of the service;
the service imports neither numpy nor a runtime.
"""

import sys
from collections.abc import Sequence
from typing import Final

CHILD_COMMANDS: Final = ("probe", "bench", "run-segment")
DOCTOR: Final = "doctor"
LINK: Final = "link"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns the exit status."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    command = argv[0] if argv else ""
    if command in CHILD_COMMANDS:
        from agent import children  # noqa: PLC0415

        return children.main(argv)
    if command == DOCTOR:
        from agent import doctor_child  # noqa: PLC0415

        return doctor_child.main(argv)
    if command == LINK:
        from agent.linking import child  # noqa: PLC0415

        return child.main(argv[1:])
    from agent import service  # noqa: PLC0415

    return service.main(argv)


if __name__ == "__main__":
    sys.exit(main())
