"""A client of `predictions.py`: keeps a window of frames in flight, and says when each ended.

    predictions_client.py BROKER_URL PIPELINE INPUTS.npz WINDOW FRAMES

Prints one JSON object: for each answer its instants and the waterfall, and how many frames were in
flight, looked at every few milliseconds by another thread.
"""

import json
import sys
import threading
import time

import numpy as np

import paceline

LOOK_SECONDS = 0.004
DEADLINE_SECONDS = 120.0


def main():
    url, name, file, window, frames = sys.argv[1:]
    inputs = dict(np.load(file))
    seen, over = [], threading.Event()
    with paceline.connect(url, max_packet_bytes=8 << 20) as site:
        pipeline = site.pipeline(name)
        pipeline.wait_route(30)

        def look():
            while not over.wait(LOOK_SECONDS):
                account = pipeline.account
                if account is not None:
                    seen.append((time.monotonic_ns(), account.in_flight))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            answers = list(
                pipeline.stream(
                    (inputs for _ in range(int(frames))),
                    window=int(window),
                    deadline_seconds=DEADLINE_SECONDS,
                )
            )
        finally:
            over.set()
            looking.join()
    print(
        json.dumps(
            {
                "errors": [str(answer.error) for answer in answers if answer.error],
                "answers": [
                    (answer.submitted_ns, answer.sent_ns, answer.answered_ns) for answer in answers
                ],
                "stages": [
                    [(t.received, t.started, t.run, t.finished, t.sent) for t in answer.timings]
                    for answer in answers
                ],
                "in_flight": seen,
                "cpu_seconds": time.process_time(),
            }
        )
    )


if __name__ == "__main__":
    main()
