"""What is wrong with the bytes of a TFLite file; who knows the file's name adds it."""

from wire.errors import CodedError


class FlatbufferError(CodedError):
    """Bytes are not the flatbuffer that they should be."""

    code = "flatbuffer.malformed"
    exit_code = 3

    def __init__(self, problem: str, *, place: str = "") -> None:
        super().__init__(problem, place)
        self.problem = problem
        self.place = place
        """The tensor, operator or other part; empty when it is the file as a whole."""

    def within(self, place: str) -> "FlatbufferError":
        """Return the same error, said of a part of ``place``."""
        return FlatbufferError(
            self.problem, place=f"{place} > {self.place}" if self.place else place
        )

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"flatbuffer: {where}{self.problem}; the file is damaged or no TFLite model"
