"""What attempts to connect came to: why the last one failed, what of it is news, what to try next.

Pure. A fault that repeats every few seconds is told once when it begins and again when its reason
changes. `recovered` ends it: what comes after is news again. A broker that speaks only one dialect
closes without a word on the other: that alone is no trouble, on both it is.
"""

from typing import Final, TypeAlias

from wire.broker_url import BrokerUrl
from wire.errors import AccessFileError, BrokerRefusedError, BrokerUnreachableError

Trouble: TypeAlias = BrokerUnreachableError | BrokerRefusedError | AccessFileError
"""Why no connection comes about; each has a `reason`."""

WRONG_DIALECT: Final = "Unsupported protocol version"
"""How brokers that answer at all refuse a dialect."""
_OTHER: Final = {"5": "3.1.1", "3.1.1": "5"}


class Attempts:
    """The attempts of one session at one broker; each method returns whether it must be told."""

    def __init__(self, url: BrokerUrl) -> None:
        self.dialect = "5" if url.protocol == "auto" else url.protocol
        """The one to speak next."""
        self.trouble: Trouble | None = None
        """Why the last attempt failed; None: it did not, or none has ended."""
        self._url = url
        self._told: tuple[str, str] | None = None
        self._passing = False

    def failed(self, trouble: Trouble) -> bool:
        """Take a failure that has nothing to do with the dialect."""
        return self._is_news(trouble, other_dialect_next=False)

    def unreachable(self, reason: str) -> bool:
        """Take what kept the connection from being made or used."""
        return self.failed(BrokerUnreachableError(str(self._url), reason))

    def refused(self, reason: str) -> bool:
        """Take the broker's refusal, of us or of a subscription."""
        if self._url.protocol == "auto" and reason == WRONG_DIALECT:
            return self._other_dialect(reason)
        return self.failed(BrokerRefusedError(str(self._url), reason))

    def closed_unanswered(self) -> bool:
        """Take a connection that ended before the broker said anything."""
        return self._other_dialect("closed before CONNACK")

    def silent(self, seconds: float) -> bool:
        """Take a connection on which the broker said nothing for ``seconds``."""
        self._turn()
        return self.unreachable(f"no CONNACK within {seconds:g} s")

    def ended(self, refusal: str | None, answered: bool, silent_seconds: float | None) -> bool:
        """Take a connection that ended before it could be used.

        Args:
            refusal: What the broker refused with, if it did.
            answered: Whether it said anything.
            silent_seconds: How long we waited for it to; None: the connection ended by itself.
        """
        if refusal is not None:
            return self.refused(refusal)
        if answered:
            return self.unreachable("closed before it acknowledged SUBSCRIBE")
        if silent_seconds is not None:
            return self.silent(silent_seconds)
        return self.closed_unanswered()

    def recovered(self) -> None:
        """Take success: what is told from now on is news."""
        self.trouble = None
        self._told = None
        self._passing = False

    def _other_dialect(self, reason: str) -> bool:
        may_be_the_dialect = self._turn()
        trouble = BrokerUnreachableError(str(self._url), reason)
        return self._is_news(trouble, other_dialect_next=may_be_the_dialect)

    def _turn(self) -> bool:
        """Speak the other dialect next, where it is ours to choose."""
        if self._url.protocol != "auto":
            return False
        self.dialect = _OTHER[self.dialect]
        return True

    def _is_news(self, trouble: Trouble, *, other_dialect_next: bool) -> bool:
        self.trouble = trouble
        passing = other_dialect_next and not self._passing
        self._passing = other_dialect_next
        if passing or self._told == (trouble.code, trouble.reason):
            return False
        self._told = (trouble.code, trouble.reason)
        return True
