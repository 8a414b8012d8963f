"""Frames for a pipeline in a thread of its own, while the test breaks something."""

import threading
from collections import Counter

from tests.system.place import PATIENCE_SECONDS, until

DEADLINE_SECONDS = 60.0
"""A machine that has much else to do costs no frame."""


class Feeding:
    """Streams inputs until it is stopped; checks the accounting's sum all the while.

    Args:
        pipeline: Where to.
        chain: Makes inputs, and knows the right outputs.
        stream: Options of ``Pipeline.stream``.
    """

    def __init__(self, pipeline, chain, **stream):
        self.answers = []
        self.unbalanced = []
        self._pipeline = pipeline
        self._chain = chain
        self._stream = {"window": 4, "deadline_seconds": DEADLINE_SECONDS, **stream}
        self._stopped = threading.Event()
        self._exhausted = threading.Event()
        self._failure = None
        self._threads = [
            threading.Thread(target=self._run, name="feeding"),
            threading.Thread(target=self._audit, name="auditor"),
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def results(self):
        """How many frames were answered with a result."""
        return sum(answer.error is None for answer in self.answers)

    @property
    def errors(self):
        """How many frames ended otherwise, by reason."""
        return Counter(answer.error.reason for answer in self.answers if answer.error)

    @property
    def account(self):
        """The client's account of it."""
        return self._pipeline.account

    def more(self, count=5):
        """Wait for so many more results."""
        goal = self.results + count
        until(lambda: self.results >= goal or self._failure, lambda: f"results; {self.errors}")
        assert self._failure is None

    def no_more(self):
        """Submit nothing more, and wait for the last one to be on its way; that goes on."""
        self._stopped.set()
        assert self._exhausted.wait(PATIENCE_SECONDS)

    def stop(self):
        """Submit nothing more, wait for the end of every frame, check what came."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        if self._failure is not None:
            raise self._failure
        account = self.account
        assert self.unbalanced == []
        assert account.in_flight == 0
        assert account.lost == 0
        assert account.submitted == len(self.answers) == ended(account)
        wrong = [a.sequence for a in self.answers if a.error is None and not self._right(a)]
        assert wrong == []

    def _right(self, answer):
        return self._chain.right(answer.sequence, answer.tensors)

    def _run(self):
        try:
            for answer in self._pipeline.stream(self._inputs(), **self._stream):
                self.answers.append(answer)
        except Exception as error:
            self._failure = error
        finally:
            self._stopped.set()

    def _inputs(self):
        number = 0
        while not self._stopped.is_set():
            yield self._chain.inputs(number)
            number += 1
        self._exhausted.set()

    def _audit(self):
        while not self._stopped.wait(0.01):
            account = self.account
            if account is not None and account.submitted != ended(account) + account.in_flight:
                self.unbalanced.append(account)


def ended(account):
    """Return how many frames have ended."""
    return account.results + sum(account.errors.values()) + account.drops
