"""What runs on each device: a supervisor and one worker process for each segment."""

import importlib
import sys

# structlog imports rich for pretty tracebacks on a terminal; that is 8 MB in each of our processes
if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, as if not there
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
