"""A stage that is slower than the others: nothing piles up anywhere, whoever is in a hurry."""

import threading
import time

import numpy as np
import pytest

from paceline.dataplane import RESULTS_UNTOLD

ELEMENTS = 25_000
FRAME_BYTES = 4 * ELEMENTS
WINDOW = 3
LIMITS = (WINDOW, 64 * FRAME_BYTES)
ROOM = FRAME_BYTES + 4096
"""What a frame is reckoned as, at most."""


class Scales:
    """Looks, all the while, at how much each worker holds, and remembers the most."""

    def __init__(self, workers):
        self.most = {}
        self._workers = workers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="scales")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(0.002):
            for number, worker in enumerate(self._workers):
                waiting = len(worker.serving._inbox)
                kept = worker.serving._outbound.kept_bytes
                before = self.most.get(number, (0, 0))
                self.most[number] = (max(before[0], waiting), max(before[1], kept))


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_memory_is_bounded_by_the_windows(fleet, tools, slow):
    """Ten times slower than the others, at the entry, in the middle, at the end.

    No stage has more frames waiting than its window, nor keeps more for its neighbour than two
    windows and the results that a client has not yet acknowledged.
    """

    def pause(seconds):
        def run(arrays):
            time.sleep(seconds)
            return arrays

        return tools.Scripted(run)

    runtimes = [pause(0.02 if stage == slow else 0.002) for stage in range(3)]
    route, workers = fleet.chain(*runtimes, limits=LIMITS)
    frames = ({"x": np.full(ELEMENTS, n, np.float32)} for n in range(60))

    with Scales(workers) as scales:
        answers, stream = fleet.client(route).answers(frames, window=12)

    assert [int(answer["x"][0]) for answer in answers] == list(range(60))
    assert all(waiting <= WINDOW for waiting, _ in scales.most.values())
    assert all(kept <= (2 * WINDOW + RESULTS_UNTOLD) * ROOM for _, kept in scales.most.values())
    assert stream.accounting.lost == 0
