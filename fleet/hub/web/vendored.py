"""Files of ``static/``, by their content; ``vendored.json`` lists what others made of them."""

import hashlib
from functools import cache
from importlib import resources


@cache
def version_of(name: str) -> str:
    """Return a few digits that are others when the file is another."""
    content = (resources.files("fleet.hub.web") / "static" / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:10]
