"""What a device answers to short requests. Pure, but for what the caller gives to be called.

ping     a sign of life: behind it, everything that the broker keeps has come
watch    telemetry every second for a while
desired  the signed desired state that is obeyed, as it came: the broker may have lost it
"""

from collections.abc import Callable
from typing import Any

from wire import messages
from wire.errors import MessageError
from wire.messages import Command, Reason, Response


def answer(
    command: Command, *, unix_ns: int, obeyed: str | None, watch: Callable[[], None]
) -> Response:
    """Return the answer to a command, which always fits its topic.

    Args:
        command: What was asked.
        unix_ns: The time now.
        obeyed: The signed desired state that the device obeys, as it came; None: it obeys none.
        watch: Called when someone watches.
    """
    if command.expires_unix_ns < unix_ns:
        return _refusal(command, "command.expired", "it came after its expiry")
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
    message = f"{command.command!r:.60} is unknown (ping, watch, desired)"
    return _refusal(command, "command.unknown", message)


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
