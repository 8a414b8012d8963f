"""The buffer type for annotations: Python 3.12 has it in collections.abc, 3.11 only in stubs."""

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer as Buffer  # noqa: PLC0414 (mypy: exported on purpose)
else:
    Buffer: TypeAlias = Any
