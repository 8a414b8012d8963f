"""A connection to a pipeline that does what a test says, and the frames that pass over it."""

import numpy as np

from paceline.errors import PipelineUnknownError, SiteClosedError
from paceline.news import News
from wire import codecs
from wire.frame import Frame, Kind
from wire.hop import Position
from wire.messages import Route, RouteStage
from wire.tensors import TensorSpec

ROUTE = Route(
    pipeline="p", generation=3, epoch=1, manifest="m",
    stages=(RouteStage(stage=0, device="d0", segment="s", runtime="identity"),),
    receives=(TensorSpec(name="x", dtype=1, shape=(1,)),),
    outputs=(TensorSpec(name="x", dtype=1, shape=(1,)),),
)  # fmt: skip


class Plane:
    """Takes so many frames, and keeps them."""

    client = "c"

    def __init__(self, credit=1000):
        self.changed = News()
        self.sent = []
        self.alone = []
        """Of each frame that was sent: whether alone."""
        self.credit = credit
        self.fits = True
        self.forgotten = []
        self.waiting = []
        self.both_links = {"links": {"d1": "mqtt"}, "links_back": {"d2": "mqtt"}}

    def register(self, recipient):
        """Return the stream's number."""
        return 7

    def forget(self, stream):
        """Note it."""
        self.forgotten.append(stream)

    def never_fits(self, route, size):
        """As the test says."""
        return not self.fits

    def send(self, route, frame, finished, *, alone=False):
        """Keep it, if there is credit."""
        allowed = self.fits and len(self.sent) < self.credit
        if allowed:
            self.sent.append(finished(frame, Position(1, len(self.sent), 0, "c")))
            self.alone.append(alone)
        return allowed

    def not_direct(self, since):
        """Every broker may be used."""
        return

    def tick(self, route, *, waiting):
        """Note whether credit was asked for."""
        self.waiting.append(waiting)


class Answering(Plane):
    """Answers each frame at once: with itself, or with the error that the test says."""

    def __init__(self, credit=1000):
        super().__init__(credit)
        self.says = lambda _: None
        """Returns the code of the error for a frame; None: it is answered with a result."""

    def register(self, recipient):
        """Remember whom to answer."""
        self.recipient = recipient
        return super().register(recipient)

    def send(self, route, frame, finished, *, alone=False):
        """Keep it, and answer."""
        if not super().send(route, frame, finished, alone=alone):
            return False
        frame = self.sent[-1]
        code = self.says(frame)
        if code is None:
            self.recipient.answered(answer(frame.sequence))
        else:
            self.recipient.answered(error(frame.sequence, code=code, generation=frame.generation))
        return True


def one(value=0.0):
    """Return the inputs of one frame."""
    return {"x": np.array([value], np.float32)}


def answer(sequence, value=0.0, **fields):
    """Return a result as the plane brings it."""
    return Frame(Kind.RESULT, 7, sequence, tensors=codecs.tensors(one(value)), **fields)


def error(sequence, *, generation=3, **told):
    """Return an error as the plane brings it."""
    meta = {"client": "c", "error": told}
    return Frame(Kind.ERROR, 7, sequence, generation=generation, meta=meta)


class Routing:
    """A route that comes and goes."""

    def __init__(self, route=ROUTE):
        self.route = route
        self.closed = False

    def __call__(self):
        """Return it, as a pipeline does."""
        if self.closed:
            raise SiteClosedError("mqtt://here:1883")
        if self.route is None:
            raise PipelineUnknownError("p", "mqtt://here:1883")
        return self.route
