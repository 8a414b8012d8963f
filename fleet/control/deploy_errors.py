"""Errors of deploying and undeploying."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wire.errors import CodedError


class PlacementError(CodedError):
    """The devices named do not fit the segments."""

    code = "deploy.bad_placement"
    exit_code = 2

    def __init__(self, pipeline: str, segments: Sequence[str], devices: Sequence[str]) -> None:
        super().__init__(pipeline, segments, devices)
        self.pipeline = pipeline
        self.segments = tuple(segments)
        self.devices = tuple(devices)

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: {_counted(self.segments, 'segment')}"
            f" ({', '.join(self.segments)}) but {_counted(self.devices, 'device')}"
            f" ({', '.join(self.devices) or 'none'});"
            " name one device for each segment, in order (one may stand twice; d2+d3 are replicas)"
        )


class ReplicasError(CodedError):
    """A stage's replicas are not different devices."""

    code = "deploy.bad_replicas"
    exit_code = 2

    def __init__(self, pipeline: str, segment: str, devices: Sequence[str]) -> None:
        super().__init__(pipeline, segment, devices)
        self.pipeline = pipeline
        self.segment = segment
        self.devices = tuple(devices)

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: segment {self.segment} twice on one device"
            f" ({'+'.join(self.devices)}); name different devices as its replicas"
        )


class PlanUnusableError(CodedError):
    """A file is no plan that could be deployed."""

    code = "deploy.bad_plan"
    exit_code = 3

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.file = file
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.problem}; give what paceline plan MODEL --json prints where"
            " something fits"
        )


class PlanMismatchError(CodedError):
    """A split model is not what was planned."""

    code = "deploy.other_plan"
    exit_code = 3

    def __init__(self, file: str, planned: str, made: str, split: str) -> None:
        super().__init__(file, planned, made, split)
        self.file = file
        self.planned = planned
        self.made = made
        self.split = split
        """The command that cuts as planned."""

    def __str__(self) -> str:
        return (
            f"{self.file}: the plan is {self.planned:.400}, the folder {self.made:.400}; cut as"
            f" planned: {self.split}"
        )


class BatchError(CodedError):
    """No segment can run several frames at once."""

    code = "deploy.cannot_batch"
    exit_code = 4

    def __init__(self, pipeline: str, reasons: Mapping[str, str]) -> None:
        super().__init__(pipeline, reasons)
        self.pipeline = pipeline
        self.reasons = dict(reasons)

    def __str__(self) -> str:
        each = "; ".join(f"{name}: {reason}" for name, reason in self.reasons.items())
        return (
            f"pipeline {self.pipeline}: no segment can run several frames at once ({each}); deploy"
            " without --max-batch, or export the model with a dynamic first dimension"
        )


class UnknownSegmentError(CodedError):
    """The split model has no segment of that name."""

    code = "deploy.unknown_segment"
    exit_code = 3

    def __init__(self, segment: str, known: Sequence[str]) -> None:
        super().__init__(segment, known)
        self.segment = segment
        self.known = tuple(known)

    def __str__(self) -> str:
        return (
            f"segment {self.segment!r:.80}: the split model has none of that name"
            f" (it has {', '.join(self.known)}); name one of those"
        )


class DevicesError(CodedError):
    """Some devices cannot take part; base of those that say why for each."""

    code = "device.unfit"
    advice = "see to them, then try again"

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(problems)
        self.problems = dict(problems)
        """What is wrong, by device."""

    def __str__(self) -> str:
        told = [f"device {device}: {problem}" for device, problem in self.problems.items()]
        return f"{', '.join(told)}; {self.advice}"


class DevicesAbsentError(DevicesError):
    """Devices are not there, or do not answer."""

    code = "device.absent"
    retryable = True
    exit_code = 6
    advice = "start their agents on this broker, site and root, then try again"


class DevicesUnableError(DevicesError):
    """Devices are there and cannot run their segment."""

    code = "device.unable"
    exit_code = 4
    advice = "name other devices, or install what they lack and restart their agents"


class OrdersUnknownError(DevicesError):
    """Devices run what no order on the broker explains; writing would silently stop it."""

    code = "deploy.orders_unknown"
    exit_code = 8
    advice = "name the key that ordered it with --trust, or stop what it runs with --force"


class OrdersLostError(OrdersUnknownError):
    """Neither broker nor device shows the orders by which it runs."""

    code = "deploy.orders_lost"
    advice = "see to its agent (an older one must be updated), or stop what it runs with --force"


class OrdersGarbledError(OrdersUnknownError):
    """Something stands on the topic of a device's orders that nobody could obey."""

    code = "deploy.orders_garbled"
    advice = "no agent obeys that, and nothing runs by it: replace it with --force"


class NotDeployedError(CodedError):
    """There is nothing to undeploy."""

    code = "deploy.not_deployed"
    exit_code = 6

    def __init__(self, pipeline: str, broker: str) -> None:
        super().__init__(pipeline, broker)
        self.pipeline = pipeline
        self.broker = broker

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: no route and no device of it is known on {self.broker};"
            " check name, broker, site and root, or name its devices with --devices"
        )


class DeployFailedError(CodedError):
    """Not every segment got to serve; the devices were put back to what they ran."""

    code = "deploy.failed"
    exit_code = 1

    def __init__(
        self,
        pipeline: str,
        reasons: Mapping[str, str],
        *,
        restored: bool = True,
        advice: str = "",
    ) -> None:
        super().__init__(pipeline, reasons, restored, advice)
        self.pipeline = pipeline
        self.reasons = dict(reasons)
        """Why, by ``device, segment``."""
        self.restored = restored
        """Whether every device was told to go back to what it ran."""
        self.advice = advice
        """What to do, where that is known."""

    def __str__(self) -> str:
        told = ", ".join(f"{where}: {why}" for where, why in self.reasons.items())
        after = (
            "the devices were put back to what they ran"
            if self.restored
            else "not every device could be put back; undeploy or deploy again"
        )
        advice = f"; {self.advice}" if self.advice else ""
        return f"pipeline {self.pipeline}: not deployed ({told}){advice}; {after}"


class DeployUnfetchedError(DeployFailedError):
    """A device fetches from where its segment is not served."""

    code = "deploy.not_fetched"
    exit_code = 6


class DeployTimeoutError(DeployFailedError):
    """Segments did not get to serve in time."""

    code = "deploy.timed_out"
    retryable = True
    exit_code = 6


class DeployRefusedError(DeployFailedError):
    """A device refused the order."""

    code = "deploy.refused"
    exit_code = 8


class DeploySupersededError(DeployFailedError):
    """Somebody else wrote to the same device meanwhile."""

    code = "deploy.superseded"
    retryable = True
    exit_code = 8


class KeyFileError(CodedError):
    """The signing key cannot be read, made, or trusted to be ours alone."""

    code = "key.unusable"
    exit_code = 3

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"signing key {self.path}: {self.problem}; {self.advice}"


class DeploymentsFileError(CodedError):
    """The list of what this user deployed cannot be read or written."""

    code = "deployments.unusable"
    exit_code = 3

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"list of deployments {self.path}: {self.problem};"
            " correct or remove the file (only `paceline restore` and `paceline status` without a"
            " name need it)"
        )


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"
