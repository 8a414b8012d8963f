"""What keeps a model from being planned."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import ClassVar

from wire.errors import CodedError


class ProfileMissingError(CodedError):
    """Devices of which nobody knows how fast they run the model."""

    code = "plan.no_profile"
    exit_code: ClassVar[int] = 3

    def __init__(self, model: str, devices: Sequence[str], reason: str, command: str) -> None:
        super().__init__(model, devices, reason, command)
        self.model = model
        self.devices = tuple(devices)
        self.reason = reason
        self.command = command
        """What measures them."""

    def __str__(self) -> str:
        names = ", ".join(self.devices)
        return (
            f"{self.model} on {names}: {self.reason}; measure: {self.command} (or describe a"
            " device in the fleet file: speed: {like: DEV, times: N})"
        )


class FigureMissingError(CodedError):
    """A goal needs figures that nobody measured or described."""

    code = "plan.figure_unknown"
    exit_code: ClassVar[int] = 3

    def __init__(self, goal: str, missing: Sequence[str]) -> None:
        super().__init__(goal, missing)
        self.goal = goal
        self.missing = tuple(missing)

    def __str__(self) -> str:
        return (
            f"--goal {self.goal}: not known: {', '.join(self.missing)}; write them into the fleet"
            " file, or leave these devices and links out of it"
        )


class PinError(CodedError):
    """An operator cannot be pinned so."""

    code = "plan.bad_pin"
    exit_code: ClassVar[int] = 3

    def __init__(self, pin: str, problem: str) -> None:
        super().__init__(pin, problem)
        self.pin = pin
        self.problem = problem

    def __str__(self) -> str:
        return f"--pin {self.pin}: {self.problem}; give --pin OPERATOR=DEVICE or TENSOR=DEVICE"


class UnknownKindError(CodedError):
    """A device class that nobody described, measured or built."""

    code = "advise.unknown_class"
    exit_code: ClassVar[int] = 3

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        nearest = get_close_matches(self.name, self.known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        return (
            f"device class {self.name!r:.80}: nobody described, measured or built it ({hint}known:"
            f" {', '.join(self.known):.400}); write it into classes of a fleet file"
        )


class BadCountError(CodedError):
    """A number of devices that is none."""

    code = "advise.bad_count"
    exit_code: ClassVar[int] = 2

    def __init__(self, text: str, most: int) -> None:
        super().__init__(text, most)
        self.text = text
        self.most = most

    def __str__(self) -> str:
        return (
            f"{self.text!r:.80}: a class and a whole number from 1 to {self.most} are expected,"
            " such as rpi5x2; correct the number"
        )
