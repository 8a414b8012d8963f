"""What is closed at the end of its ``with`` block."""

import abc
from types import TracebackType
from typing import Self


class Closing(abc.ABC):
    """Gives a class with ``close`` a ``with`` block."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give everything back; closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
