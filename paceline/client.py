"""What an application imports: ``paceline.connect(url)`` to a site, and its pipelines.

with paceline.connect("mqtt://localhost:1883") as site:
    pipeline = site.pipeline("detector")
    answers = pipeline.run({"x": image})
    for answer in pipeline.stream(frames): ...
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from numpy.typing import NDArray

from paceline.dataplane import DataPlane
from paceline.errors import PipelineUnknownError
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW, Answer, Arrays, Stream
from wire import broker_url, messages
from wire.errors import LinkDownError, MessageError
from wire.links import LinkOptions, open_link
from wire.messages import Account, Route
from wire.session import Access, Session
from wire.topics import DEFAULT_ROOT, DEFAULT_SITE
from wire.topics import Site as Topics

CONNECT_SECONDS: Final = 10.0
ROUTE_SECONDS: Final = 3.0
ACCOUNT_SECONDS: Final = 1.0


def connect(
    url: str | None = None,
    *,
    site: str = DEFAULT_SITE,
    root: str = DEFAULT_ROOT,
    access: Access | None = None,
    max_packet_bytes: int | None = None,
    timeout_seconds: float = CONNECT_SECONDS,
) -> "Site":
    """Connect to a site's broker.

    Args:
        url: Such as ``mqtt://localhost:1883``; None: ``PACELINE_BROKER_URL``, else that.
        site: The site's id.
        root: The first level of every topic.
        access: Credentials.
        max_packet_bytes: The broker's packet limit, where it has one that it does not tell; a
            known limit also lets frames travel in fewer chunks.
        timeout_seconds: How long the broker may take to answer.

    Raises:
        BadUrlError: ``url`` cannot be understood.
        BrokerUnreachableError: No broker answered.
        BrokerRefusedError: It will not have us.
    """
    address = url or os.environ.get("PACELINE_BROKER_URL") or broker_url.DEFAULT_URL
    options = LinkOptions(
        url=broker_url.parse(address),
        client_id="",
        access=access,
        max_packet_bytes=max_packet_bytes,
    )
    opened = Site(Topics(site, root), options)
    opened.session.start()
    try:
        opened.session.wait_up(timeout_seconds)
    except BaseException:
        opened.close()
        raise
    return opened


class Site:
    """One site, connected; a context manager."""

    def __init__(self, topics: Topics, options: LinkOptions) -> None:
        self.topics = topics
        self.name = f"u{os.urandom(5).hex()}"
        """What this client's ids begin with."""
        self._options = options
        self._pipelines: dict[str, Pipeline] = {}
        self._closing = threading.Event()
        self.session = Session(options.url, f"c.{self.name}", access=options.access)
        """The control session; the deployer uses it too."""
        self._publisher = threading.Thread(target=self._publish_accounts, daemon=True)
        self._publisher.start()

    @property
    def broker(self) -> str:
        """The broker's address, without its query."""
        return str(self._options.url)

    @property
    def options(self) -> LinkOptions:
        """How links to this site's broker are opened."""
        return self._options

    def pipeline(self, name: str, *, timeout_seconds: float = ROUTE_SECONDS) -> "Pipeline":
        """Return a pipeline that is deployed; the same object for the same name.

        Raises:
            BadIdError: ``name`` is no id.
            PipelineUnknownError: It has no route.
        """
        found = self._pipelines.get(name)
        if found is None:
            found = self._pipelines[name] = Pipeline(self, name)
        found.wait_route(timeout_seconds)
        return found

    def deploy_model(
        self, model: str | Path, devices: Sequence[str], *, name: str | None = None
    ) -> "Pipeline":
        """Cut ``model`` into one segment for each device, deploy them, and return the pipeline.

        Raises:
            CodedError: The model cannot be cut, or a device does not get to serve.
        """
        from paceline.deploying import deploy_model  # noqa: PLC0415 the graph tools are an extra

        return deploy_model(self, Path(model), devices, name=name)

    def deploy_submodel(
        self, segment: str | Path, device: str, *, name: str | None = None
    ) -> "Pipeline":
        """Deploy one segment's folder to one device as a pipeline of its own.

        Raises:
            CodedError: The segment cannot be used, or the device does not get to serve it.
        """
        from paceline.deploying import deploy_submodel  # noqa: PLC0415 the graph tools are an extra

        return deploy_submodel(self, Path(segment), device, name=name)

    def close(self) -> None:
        """Close every pipeline and disconnect; closing twice is harmless."""
        self._closing.set()
        for pipeline in list(self._pipelines.values()):
            pipeline.close()
        self.session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _publish_accounts(self) -> None:
        while not self._closing.wait(ACCOUNT_SECONDS):
            for pipeline in list(self._pipelines.values()):
                pipeline.publish_account()


class Pipeline:
    """A deployed pipeline as its client sees it. One stream at a time."""

    def __init__(self, site: Site, name: str) -> None:
        self.name = name
        self._site = site
        self._route: Route | None = None
        self._routed = threading.Event()
        self._plane: DataPlane | None = None
        self._stream: Stream | None = None
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

        Raises:
            TensorSpecError: The arrays are not what the pipeline takes.
            FrameFailedError: There is no result.
        """
        (answer,) = self.stream([inputs], window=1, deadline_seconds=deadline_seconds)
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
    ) -> Iterator[Answer]:
        """Yield one answer for each frame, in order.

        Args:
            frames: The inputs by name; taken when there is room in the window.
            window: Frames in flight at most.
            rate: Frames submitted in a second at most; None: as fast as the window allows.
            deadline_seconds: When a frame without an answer ends as ``frame.deadline``.

        Raises:
            TensorSpecError: A frame is not what the pipeline takes.
            BrokerUnreachableError: The broker did not answer when the stream began.
        """
        stream = Stream(
            self._opened(), lambda: self.route, window=window, deadline_seconds=deadline_seconds
        )
        self._stream = stream
        try:
            yield from stream.run(frames, rate)
        finally:
            stream.close()
            self.publish_account()

    def publish_account(self) -> None:
        """Publish the accounting; a lost one is followed by the next."""
        account = self.account
        if account is None:
            return
        topic = self._site.topics.topic("acct", pipeline=self.name, client=account.client)
        with contextlib.suppress(LinkDownError):
            self._site.session.publish(topic, messages.encode("acct", account))

    def close(self) -> None:
        """Disconnect; closing twice is harmless."""
        plane, self._plane = self._plane, None
        if plane is not None:
            plane.close()

    def _opened(self) -> DataPlane:
        if self._plane is None:
            client = f"{self._site.name}-{os.urandom(2).hex()}"
            options = self._site.options
            link = open_link(
                "paho",
                LinkOptions(
                    url=options.url,
                    client_id=f"c.{client}",
                    access=options.access,
                    max_packet_bytes=options.max_packet_bytes,
                ),
            )
            plane = DataPlane(self._site.topics, self.name, client, link)
            try:
                plane.start(CONNECT_SECONDS)
            except BaseException:
                plane.close()
                raise
            self._plane = plane
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
