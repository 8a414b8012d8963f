"""Keeps a connection to one broker: makes it, and another one when it ends, until told to stop.

What a session and a frame link have in common, whoever's MQTT they speak: one thread, the dialect
that worked, the pauses between attempts, and what is told of those that fail.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from wire.attempts import Attempts, Trouble
from wire.broker_url import BrokerUrl
from wire.errors import AccessFileError, BrokerRefusedError, BrokerUnreachableError
from wire.reconnects import Reconnects, nobody_listens

_LOOK_SECONDS: Final = 0.05


class Keeper:
    """Makes one connection after the other in a thread of its own.

    Args:
        url: Where the broker is.
        name: The thread's.
        connect: Makes the connection of this number (from 1) and returns when it has ended: after
            how many seconds, or None when it never was up. It raises nothing.
        problem: Told of each trouble that is news; raises nothing.
        taken_over: Told when connections end soon after they were made, again and again.
    """

    def __init__(
        self,
        url: BrokerUrl,
        name: str,
        connect: Callable[[int], float | None],
        problem: Callable[[Trouble], None],
        taken_over: Callable[[], None] = lambda: None,
    ) -> None:
        self.attempts = Attempts(url)
        self.up = threading.Event()
        """Set and cleared by ``connect``: whether the connection can be used."""
        self.stopping = threading.Event()
        self.contested = False
        """Set during a connection: another client uses our id, the next one is not made soon."""
        self._unattended = False
        self._url = url
        self._connect = connect
        self._problem = problem
        self._taken_over = taken_over
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def wait_up(self, timeout_seconds: float) -> None:
        """Wait until the connection is up, or nobody wants it any more.

        Raises:
            BrokerUnreachableError: It is not, after ``timeout_seconds``.
            BrokerRefusedError: The broker answered and refused.
            AccessFileError: A file of ours cannot be used.
        """
        ends = time.monotonic() + timeout_seconds
        while not (self.up.wait(_LOOK_SECONDS) or self.stopping.is_set()):
            trouble = self.attempts.trouble
            if isinstance(trouble, BrokerRefusedError | AccessFileError):
                raise trouble
            if time.monotonic() >= ends:
                raise trouble or BrokerUnreachableError(str(self._url), "not tried yet")

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread to end, unless it is the caller's or was never started."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def not_made(self, error: Exception) -> None:
        """Take what kept a connection from being made."""
        self._unattended = nobody_listens(error)
        if isinstance(error, AccessFileError):
            self.tell(self.attempts.failed(error))
        else:
            self.tell(self.attempts.unreachable(str(error) or type(error).__name__))

    def tell(self, is_news: bool) -> None:
        """Tell of the last attempt's trouble."""
        trouble = self.attempts.trouble
        if is_news and trouble is not None:
            self._problem(trouble)

    def _keep(self) -> None:
        reconnects = Reconnects(random.Random())  # noqa: S311 jitter needs no secrecy
        for number in itertools.count(1):
            if self.stopping.is_set():
                return
            self.contested = self._unattended = False
            lasted_seconds = self._connect(number)
            if lasted_seconds is None:
                delay = reconnects.after_failure(unattended=self._unattended)
            else:
                delay = reconnects.after_loss(lasted_seconds, contested=self.contested)
                if reconnects.flapping and not self.stopping.is_set():
                    self._taken_over()
            self.stopping.wait(delay)
