"""A deployed pipeline as its client sees it."""

import contextlib
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from paceline import arguments
from paceline.answers import Answer, Arrays
from paceline.dataplane import DataPlane
from paceline.errors import PipelineUnknownError, SiteClosedError, StreamBusyError
from paceline.policies import Policy
from paceline.refusals import Refusals
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW, Stream
from wire import messages
from wire.errors import LinkDownError, MessageError
from wire.links import LinkOptions, open_link
from wire.messages import Account, Route

if TYPE_CHECKING:
    from paceline.client import Site

CONNECT_SECONDS: Final = 10.0


class Pipeline:
    """A deployed pipeline as its client sees it. One stream at a time."""

    def __init__(self, site: "Site", name: str) -> None:
        self.name = name
        self._site = site
        self._route: Route | None = None
        self._routed = threading.Event()
        self._plane: DataPlane | None = None
        self._stream: Stream | None = None
        self._streaming = threading.Lock()
        """Held by the one stream that runs."""
        self._refusals = Refusals()
        self._topic = site.topics.topic("route", pipeline=name)
        site.session.subscribe(self._topic, 1, self._take_route)

    @property
    def route(self) -> Route:
        """Where the pipeline runs now, and what it takes and gives.

        Raises:
            PipelineUnknownError: It was undeployed.
        """
        if self._route is None:
            raise PipelineUnknownError(self.name, self._site.broker)
        return self._route

    @property
    def account(self) -> Account | None:
        """The accounting of the stream that runs, or ran last; None: none has begun."""
        return self._stream.account(self.name) if self._stream else None

    def wait_route(self, timeout_seconds: float) -> Route:
        """Wait for the pipeline to be deployed.

        Raises:
            PipelineUnknownError: It is not, after ``timeout_seconds``.
        """
        self._routed.wait(timeout_seconds)
        return self.route

    def run(
        self, inputs: Arrays, *, deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    ) -> dict[str, NDArray[Any]]:
        """Run one frame and return its outputs by name.

        Args:
            inputs: Arrays by the pipeline's own input names, see ``route.receives``. Lists of
                numbers will do; arrays must have the right element type.
            deadline_seconds: When it ends as ``frame.deadline``.

        Raises:
            TensorSpecError: The arrays are not what the pipeline takes.
            FrameFailedError: There is no result.
            CodedError: As for ``stream``.
        """
        answers = self.stream([inputs], window=1, deadline_seconds=deadline_seconds)
        with contextlib.closing(answers):
            answer = next(answers)
        if answer.error is not None:
            raise answer.error
        return dict(answer.tensors)

    def stream(
        self,
        frames: Iterable[Arrays],
        *,
        window: int = DEFAULT_WINDOW,
        rate: float | None = None,
        deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
        codec: str | None = None,
        policy: str = Policy.BLOCK,
    ) -> Generator[Answer, None, None]:
        """Yield one answer for each frame, in order.

        What ends it before its time is raised behind the answers to all frames submitted; what
        ``frames`` itself raises, too. A caller that takes no more ends what is in flight.

        Args:
            frames: The inputs by name; taken when there is room in the window.
            window: Frames in flight at most, up to 1024.
            rate: Frames submitted in a second at most; None: as fast as the window allows.
            deadline_seconds: When a frame without an answer ends as ``frame.deadline``.
            codec: How entering frames are written, such as ``fp16``; None: as the route says.
            policy: ``block``: every frame goes through. ``drop_oldest``, for what is live: frames
                are taken in a thread of its own as they come; one that cannot leave waits, and a
                newer one takes its place. The older one's answer has the error ``frame.dropped``
                (``answer.dropped``); it is counted in ``account.drops``.

        Raises:
            BadArgumentError: An argument is not what it should be; at once, not at the first frame.
            TensorSpecError: A frame is not what the pipeline takes.
            PipelineUnknownError: There is no route when the stream begins.
            PipelineUndeployedError: It was undeployed; no more frames were taken.
            StreamBusyError: Another stream runs.
            SiteClosedError: The site was closed.
            BrokerUnreachableError: The broker did not answer when the stream began.
        """
        source = arguments.frames(frames)
        window = arguments.window(window)
        rate = arguments.rate(rate)
        deadline_seconds = arguments.seconds("deadline_seconds", deadline_seconds)
        options = {
            "window": window,
            "deadline_seconds": deadline_seconds,
            "codec": arguments.codec(codec),
            "policy": arguments.policy(policy),
        }
        return self._answers(source, rate, options)

    def publish_account(self) -> None:
        """Publish the accounting; a lost one is followed by the next."""
        account = self.account
        if account is None:
            return
        topic = self._site.topics.topic("acct", pipeline=self.name, client=account.client)
        with contextlib.suppress(LinkDownError):
            self._site.session.publish(topic, messages.encode("acct", account))

    def close(self) -> None:
        """Disconnect; a stream that runs ends. Closing twice is harmless."""
        plane, self._plane = self._plane, None
        if plane is not None:
            plane.close()

    def _answers(
        self, source: Iterator[Any], rate: float | None, options: dict[str, Any]
    ) -> Generator[Answer, None, None]:
        if not self._streaming.acquire(blocking=False):
            raise StreamBusyError(self.name)
        try:
            plane = self._opened()
            stream = Stream(
                plane, partial(self._route_over, plane), refusals=self._refusals, **options
            )
            self._stream = stream
            try:
                yield from stream.run(source, rate)
            finally:
                stream.close()
                self.publish_account()
        finally:
            self._streaming.release()

    def _route_over(self, plane: DataPlane) -> Route:
        if self._plane is not plane:
            raise SiteClosedError(self._site.broker)
        route = self._route
        return self.route if route is None else route

    def _opened(self) -> DataPlane:
        """Return the connection for frames of a pipeline that is there."""
        self._site.check_open()
        _ = self.route
        if self._plane is None:
            client = f"{self._site.name}-{os.urandom(2).hex()}"
            options = self._site.options
            link = open_link(
                self._site.link,
                LinkOptions(
                    url=options.url,
                    client_id=f"c:{client}",
                    access=options.access,
                    max_packet_bytes=options.max_packet_bytes,
                ),
            )
            plane = DataPlane(self._site.topics, self.name, client, link, usual=self._site.link)
            try:
                plane.start(CONNECT_SECONDS)
                self._plane = plane
                self._site.check_open()  # it may have been closed meanwhile
            except BaseException:
                self._plane = None
                plane.close()
                raise
            return plane
        return self._plane

    def _take_route(self, _topic: str, payload: bytes) -> None:
        if not payload:
            self._route = None
            self._routed.clear()
            return
        try:
            route = messages.decode("route", payload, Route)
        except MessageError:
            return  # the last good route holds
        if route.pipeline == self.name and route.stages:
            self._route = route
            self._routed.set()
