"""Sets values in an example configuration, and leaves its comments as they are. Pure."""

import json
import re
from collections.abc import Mapping


def filled(example: str, values: Mapping[str, object]) -> str:
    """Return ``example`` with these values by dotted key.

    Every key stands in an example, set or behind a comment sign; that is a test of ours.

    Raises:
        KeyError: One does not.
    """
    lines = example.splitlines()
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        begin = lines.index(f"{group}:") + 1 if group else 0
        indent = "  " if group else ""
        place = re.compile(f"{indent}(# )?{name}:( .*)?$")
        for number in range(begin, len(lines)):
            if group and lines[number] and not lines[number].startswith(" "):
                raise KeyError(key)
            if place.match(lines[number]):
                lines[number] = f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}"
                break
        else:
            raise KeyError(key)
    return "\n".join(lines) + "\n"
