"""structlog without what it imports and we do not use, in each of our processes.

*rich*, for pretty tracebacks, is 8 MB: structlog takes one that cannot be imported for one that is
not installed. *asyncio*, for methods that log in another thread, is 1.5 MB in a process that has no
event loop: it is imported when such a method asks for it. Both are out of the way while structlog
is imported, and only then: whoever never logs imports none of them.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.abc import Loader

_HIDDEN: Final = "rich"
_LATER: Final = "asyncio"


class PlainStructlog:
    """Finds structlog where it is, to be loaded plainly; finds nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return structlog's spec; None: not for us."""
        found = PathFinder.find_spec(fullname, path, target) if fullname == "structlog" else None
        if found is not None and found.loader is not None:
            found.loader = _Plainly(found.loader)  # type: ignore[assignment]  # see there
        return found


class _Plainly:
    """A loader by its methods: the module that has their base class brings half a megabyte."""

    def __init__(self, real: "Loader") -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        instead = {_HIDDEN: None, _LATER: _Later(_LATER)}  # to import None fails
        placed = {name: found for name, found in instead.items() if name not in sys.modules}
        sys.modules.update(placed)  # type: ignore[arg-type]
        try:
            self._real.exec_module(module)
        finally:
            for name, found in placed.items():
                if sys.modules.get(name) is found:
                    del sys.modules[name]


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)
