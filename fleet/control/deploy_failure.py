"""What a deploy failed of, as an error. Pure."""

from collections.abc import Sequence
from typing import Final

from fleet.control import fetching
from fleet.control.deploy_errors import (
    DeployFailedError,
    DeployRefusedError,
    DeploySupersededError,
    DeployTimeoutError,
    DeployUnfetchedError,
)
from fleet.control.deploy_progress import ENDED, StageProgress, Verdict
from fleet.control.fetching import UNFETCHED, Served

_FAILURES: Final = {
    Verdict.FAILED: DeployFailedError,
    Verdict.REFUSED: DeployRefusedError,
    Verdict.SUPERSEDED: DeploySupersededError,
}
"""By what was found; the last one that applies names the error."""


def failure(
    pipeline: str,
    stages: Sequence[StageProgress],
    timeout_seconds: float,
    served: Served,
    *,
    restored: bool,
) -> DeployFailedError:
    """Return why a deploy failed.

    Args:
        pipeline: The pipeline's name.
        stages: How far each was in the end.
        timeout_seconds: How long they had.
        served: Where they could fetch.
        restored: Whether every device was told to go back to what it ran.
    """
    verdicts = {stage.verdict for stage in stages}
    kind: type[DeployFailedError] = DeployTimeoutError
    for verdict, error in _FAILURES.items():
        if verdict in verdicts:
            kind = error
    advice = fetching.advice(stages, served)
    if advice and kind is DeployFailedError:
        kind = DeployUnfetchedError
    return kind(pipeline, reasons(stages, timeout_seconds), restored=restored, advice=advice)


def reasons(stages: Sequence[StageProgress], timeout_seconds: float) -> dict[str, str]:
    """Return, by device and segment, why a deploy failed: what ended it, else what is late."""
    ended = any(stage.verdict in ENDED for stage in stages)
    found = {}
    for stage in stages:
        where = f"{stage.device}, {stage.segment}"
        if stage.verdict in ENDED and stage.reason is not None:
            found[where] = f"{stage.reason.code} ({_said(stage)})"
        elif stage.verdict is Verdict.WAITING and not ended:
            after = f" ({stage.reason.code})" if stage.reason else ""
            found[where] = f"still {stage.phase}{after} after {timeout_seconds:g} s"
    return found


def _said(stage: StageProgress) -> str:
    """Return what a device said; without its advice where ours is better."""
    assert stage.reason is not None
    said = stage.reason.message
    return said.rpartition("; ")[0] or said if stage.reason.code in UNFETCHED else said
