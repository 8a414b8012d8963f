"""structlog without rich, which it imports for pretty tracebacks: 8 MB in each of our processes.

structlog takes a rich that cannot be imported for one that is not installed. It is hidden while
structlog is imported, and only then: whoever never logs imports neither.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_HIDDEN = "rich"


class PlainStructlog(MetaPathFinder):
    """Finds structlog where it is, to be loaded without rich; finds nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return structlog's spec; None: not for us."""
        found = PathFinder.find_spec(fullname, path, target) if fullname == "structlog" else None
        if found is not None and found.loader is not None:
            found.loader = _WithoutRich(found.loader)
        return found


class _WithoutRich(Loader):
    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if _HIDDEN in sys.modules:
            self._real.exec_module(module)
            return
        sys.modules[_HIDDEN] = None  # type: ignore[assignment]  # an import of it fails
        try:
            self._real.exec_module(module)
        finally:
            del sys.modules[_HIDDEN]
