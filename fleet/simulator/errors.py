"""Errors of simulating."""

from difflib import get_close_matches

from wire.errors import CodedError


class SimulationTooLongError(CodedError):
    """A run does not end in reasonable time."""

    code = "simulate.too_long"
    exit_code = 2

    def __init__(self, simulated_seconds: float, events: int) -> None:
        super().__init__(simulated_seconds, events)
        self.simulated_seconds = simulated_seconds
        self.events = events

    def __str__(self) -> str:
        return (
            f"simulation: stopped after {self.events:,} events, {self.simulated_seconds:.1f}"
            " simulated seconds; ask for fewer --frames, or an earlier --kill"
        )


class BadChangeError(CodedError):
    """What shall be changed, or killed, is not understood or not there."""

    code = "simulate.bad_change"
    exit_code = 2

    def __init__(self, change: str, problem: str) -> None:
        super().__init__(change, problem)
        self.change = change
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.change:.200}: {self.problem} (paceline simulate --help)"

    @classmethod
    def unknown(cls, change: str, kind: str, name: str, known: list[str]) -> "BadChangeError":
        """Return the error for a name that nothing has, with the nearest that something has."""
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        hint = f"did you mean {near[0]}?" if near else f"known: {listed}"
        return cls(change, f"there is no {kind} {name!r:.80}; {hint}")


class PlanFileError(CodedError):
    """A file is neither a plan nor an instance."""

    code = "simulate.bad_plan"
    exit_code = 3

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.file = file
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.problem}; give what paceline plan --json prints, or an instance"
            " (docs/planner.md)"
        )


class NothingPlannedError(CodedError):
    """There is no plan that could be simulated."""

    code = "simulate.infeasible"
    exit_code = 4

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return f"{self.file}: nothing fits, so nothing can be simulated; paceline plan says why"
