"""Errors of planning."""

from wire.errors import CodedError


class InstanceError(CodedError):
    """A file with a planner's instance is not one."""

    code = "plan.bad_instance"
    exit_code = 3

    def __init__(self, file: str, where: str, problem: str) -> None:
        super().__init__(file, where, problem)
        self.file = file
        self.where = where
        """Which part of it; empty: the file as a whole."""
        self.problem = problem

    def __str__(self) -> str:
        where = f"{self.file}: {self.where}" if self.where else self.file
        return f"{where}: {self.problem}; correct the file (docs/planner.md says what is in one)"


class PlanRequestError(CodedError):
    """What is asked for cannot be planned."""

    code = "plan.bad_request"
    exit_code = 2

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(subject, problem)
        self.subject = subject
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem} (paceline plan --help)"


class GoalUnsupportedError(CodedError):
    """The goal cannot be planned for with what is known."""

    code = "plan.goal_unsupported"
    exit_code = 2

    def __init__(self, goal: str, reason: str) -> None:
        super().__init__(goal, reason)
        self.goal = goal
        self.reason = reason

    def __str__(self) -> str:
        return f"--goal {self.goal}: {self.reason}; plan for throughput or latency"


class NotAPlanError(CodedError):
    """Stages are no plan of the problem: they do not fit, or do not reach each other."""

    code = "plan.does_not_fit"
    exit_code = 4

    def __init__(self, stages: str, reason: str) -> None:
        super().__init__(stages, reason)
        self.stages = stages
        self.reason = reason

    def __str__(self) -> str:
        return f"stages {self.stages}: {self.reason}; place them elsewhere, or plan again"
