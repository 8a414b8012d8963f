"""Runs in the booted machine as a user who is not the agent: streams, says how frames went."""

import json
import os
import sys
from typing import Any

import numpy as np

import paceline

FRAMES = 20


def main(broker: str, name: str, factor: str) -> dict[str, Any]:
    """Stream through a pipeline that gives ``factor`` times what it takes."""
    with paceline.connect(broker) as site:
        pipeline = site.pipeline(name)
        pipeline.wait_route(30.0)
        frames = ({"x": np.full((1, 8), number, np.float32)} for number in range(FRAMES))
        right = sum(
            answer.error is None and bool((answer["y"] == int(factor) * number).all())
            for number, answer in enumerate(pipeline.stream(frames))
        )
        account = pipeline.account
    links = account and {"links": account.links, "links_back": account.links_back}
    return {"uid": os.geteuid(), "submitted": FRAMES, "right": right, **(links or {})}


print(json.dumps(main(*sys.argv[1:])))
