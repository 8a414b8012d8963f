"""Find plugins by file name: ``agent/runtimes/onnx_cpu.py`` is runtime ``onnx_cpu``.

Nothing registers itself and nothing is imported until it is asked for, so a
missing vendor library can break only the plugin that needs it. A file whose name begins with
``_`` is no plugin: it holds what several share.
"""

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import Any

from wire.errors import UnknownPluginError


def names(package: str) -> tuple[str, ...]:
    """Return the plugin names in ``package``, sorted; imports neither them nor it."""
    room, *folders = package.split(".")
    spec = importlib.util.find_spec(room)
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(spec.submodule_search_locations[0], *folders)
    found = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(package: str, name: str) -> Any:
    """Return the object that plugin file ``name`` exports as ``PLUGIN``.

    Raises:
        UnknownPluginError: No file of that name in ``package``.
    """
    known = names(package)
    if name not in known:
        raise UnknownPluginError(package, name, known)
    return importlib.import_module(f"{package}.{name}").PLUGIN
