"""How a process of ours ended, in words."""

import signal


def how_it_ended(status: int | None) -> str:
    """Return what its return code says, such as ``was ended by SIGSEGV``; None: not known."""
    if status is None:
        return "has gone"
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return f"was ended by {name}"
    return f"ended with status {status}"
