"""What a device answers to short requests. Pure, but for what the caller gives to be called.

ping     a sign of life: behind it, everything that the broker keeps has come
watch    telemetry every second for a while
desired  the signed desired state that is obeyed, as it came: the broker may have lost it
doctor   what is well and what is not on this device; answered when it was examined

Requests to measure are `agent.supervisor.measurements`'.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from wire import messages
from wire.errors import MessageError
from wire.measuring import CANCEL, LINK, PROFILE
from wire.messages import Command, Reason, Response
from wire.reports import DoctorReport, Examination, Severity

KNOWN: Final = ("ping", "watch", "desired", "doctor", PROFILE, LINK, CANCEL)
"""All requests that are answered; ``info`` lists them."""


def answer(
    command: Command,
    *,
    unix_ns: int,
    clock_believed: bool,
    obeyed: str | None,
    watch: Callable[[], None],
    examine: Callable[[], bool],
) -> Response | None:
    """Return the answer to a command, which always fits its topic; None: it comes later.

    Args:
        command: What was asked.
        unix_ns: The time now.
        clock_believed: Whether that is kept right by somebody; else nothing is too old.
        obeyed: The signed desired state that the device obeys, as it came; None: it obeys none.
        watch: Called when someone watches.
        examine: Called when the device shall be examined; returns whether that was begun, and
            then the answer is `examined`.
    """
    if clock_believed and command.expires_unix_ns < unix_ns:
        late_seconds = (unix_ns - command.expires_unix_ns) / 1e9
        message = f"it came {late_seconds:.0f} s after its expiry, by the device's clock"
        return _refusal(command, "command.expired", message)
    match command.command:
        case "ping":
            return _done(command, unix_ns=unix_ns)
        case "watch":
            watch()
            return _done(command)
        case "desired" if obeyed is None:
            return _refusal(command, "desired.unknown", "this device obeys no desired state")
        case "desired":
            return _fitting(command, _done(command, desired=obeyed))
        case "doctor":
            busy = "it is being examined; ask again in a minute"
            return None if examine() else _refusal(command, "command.busy", busy)
    message = f"{command.command!r:.60} is unknown ({', '.join(KNOWN)})"
    return _refusal(command, "command.unknown", message)


def examined(command: Command, outcome: DoctorReport | str) -> Response:
    """Return the answer to ``doctor``: a report, shortened to what its topic carries, or why not.

    What is well is left out first, then notes, then warnings; each group says how much is missing.
    """
    if isinstance(outcome, str):
        return _refusal(command, "doctor.failed", outcome)
    kept: tuple[Severity, ...] = ("ok", "note", "warning", "problem")
    while True:
        response = _done(command, report=msgspec.to_builtins(_shortened(outcome, kept)))
        answer = _fitting(command, response)
        if answer is response or not kept:
            return answer
        kept = kept[1:]


def _shortened(report: DoctorReport, kept: tuple[Severity, ...]) -> DoctorReport:
    """Return a report with findings of these severities alone."""
    return msgspec.structs.replace(
        report, examinations=tuple(_fewer(examination, kept) for examination in report.examinations)
    )


def _fewer(examination: Examination, kept: tuple[Severity, ...]) -> Examination:
    findings = tuple(f for f in examination.findings if f.severity in kept)
    left_out = len(examination.findings) - len(findings)
    return msgspec.structs.replace(examination, findings=findings, left_out=left_out)


def _fitting(command: Command, response: Response) -> Response:
    try:
        messages.encode("rsp", response)
    except MessageError as error:
        return _refusal(command, "command.answer_too_large", error.problem)
    return response


def _done(command: Command, **result: Any) -> Response:
    return Response(id=command.id, ok=True, result=result)


def _refusal(command: Command, code: str, message: str) -> Response:
    return Response(id=command.id, ok=False, reason=Reason(code=code, message=message))
