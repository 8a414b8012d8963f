"""What an application imports: ``paceline.connect(url)`` to a site, and its pipelines.

with paceline.connect("mqtt://localhost:1883") as site:
    pipeline = site.pipeline("detector")
    answers = pipeline.run({"x": image})
    for answer in pipeline.stream(frames): ...
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from paceline import arguments, settings
from paceline.errors import BadArgumentError, SiteClosedError
from paceline.pipeline import Pipeline
from wire import broker_url, ids, link_names
from wire.closing import Closing
from wire.errors import BadUrlError
from wire.links import LinkOptions
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
    link: str | None = None,
    timeout_seconds: float = CONNECT_SECONDS,
) -> "Site":
    """Connect to a site's broker.

    Args:
        url: Such as ``mqtt://localhost:1883``; None: that of the command line's settings
            (``PACELINE_BROKER_URL``, the settings file), with their credentials and packet limit.
        site: The site's id.
        root: The first level of every topic.
        access: Credentials.
        max_packet_bytes: The broker's packet limit, where it has one that it does not tell; a
            known limit also lets frames travel in fewer chunks.
        link: What carries frames to and from the broker: ``mqtt``, our own client, or ``paho``,
            which costs many times as much; None: that of the command line's settings where ``url``
            is None, else ``mqtt``.
        timeout_seconds: How long the broker may take to answer.

    Raises:
        BadUrlError: ``url`` cannot be understood.
        BadIdError: ``site`` or ``root`` is no id.
        BadArgumentError: Another argument is not what it should be.
        BrokerUnreachableError: No broker answered.
        BrokerRefusedError: It will not have us.
    """
    if url is None:
        broker = settings.load(os.environ).settings
        url, access = broker.broker.url, access or broker.access
        max_packet_bytes = max_packet_bytes or broker.broker.max_packet_bytes
        link = link or link_names.brokered(broker.link)
    if not isinstance(url, str):
        raise BadUrlError("...", f"is of type {type(url).__name__}, not text")
    if access is not None and not isinstance(access, Access):
        raise BadArgumentError("access", type(access).__name__, "wire.session.Access, or None")
    options = LinkOptions(
        url=broker_url.parse(url),
        client_id="",
        access=access,
        max_packet_bytes=arguments.packet_bytes(max_packet_bytes),
    )
    timeout_seconds = arguments.seconds("timeout_seconds", timeout_seconds)
    opened = Site(Topics(site, root), options, arguments.link(link))
    opened.session.start()
    try:
        opened.session.wait_up(timeout_seconds)
    except BaseException:
        opened.close()
        raise
    return opened


class Site(Closing):
    """One site, connected; a context manager."""

    def __init__(
        self, topics: Topics, options: LinkOptions, link: str = link_names.DEFAULT
    ) -> None:
        self.topics = topics
        self.link = link
        """What carries this client's frames."""
        self.name = f"u{os.urandom(5).hex()}"
        """What this client's ids begin with."""
        self._options = options
        self._pipelines: dict[str, Pipeline] = {}
        self._closing = threading.Event()
        self.session = Session(options.url, f"c:{self.name}", access=options.access)
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
            SiteClosedError: The site was closed.
        """
        ids.checked(name, "pipeline")
        timeout_seconds = arguments.seconds("timeout_seconds", timeout_seconds, zero=True)
        self.check_open()
        found = self._pipelines.get(name)
        if found is None:
            found = self._pipelines[name] = Pipeline(self, name)
        found.wait_route(timeout_seconds)
        return found

    def deploy_model(
        self,
        model: str | Path,
        devices: Sequence[str],
        *,
        name: str | None = None,
        serve: str | None = None,
        codec: str = "raw",
        link: str = link_names.DEFAULT,
        runtime: str = "auto",
    ) -> "Pipeline":
        """Cut ``model`` into one segment for each device, deploy them, and return the pipeline.

        Args:
            model: The model's file.
            devices: One device for each segment, in order; ``d2+d3`` are replicas.
            name: The pipeline's name; None: made from the file's.
            serve: ``HOST:PORT`` where this process serves the segments until all is done; the
                agents' ``artifacts.origin`` must point to it. None: port 8788, of loopback for a
                broker on this machine, else of every interface.
            codec: How stages send tensors to each other, such as ``fp16``; or one for each edge,
                such as ``entry=fp16,0=int8_channel``.
            link: What carries tensors to and between stages: ``mqtt``, the broker; ``auto``, the
                best that both sides reach, also for clients on the first device; ``direct``, the
                best but for the broker, which sees none; or one for each edge, such as
                ``auto,entry=mqtt``.
            runtime: What runs the segments, such as ``onnx_cpu``; or one for a stage or a device,
                such as ``auto,1=onnx_cuda``. ``auto``: the best that each device has proved.

        Raises:
            BadArgumentError: An argument is not what it should be.
            CannotServeError: ``serve`` cannot be had.
            SiteClosedError: The site was closed.
            CodedError: The model cannot be cut, or a device does not get to serve.
        """
        from paceline.deploying import deploy_model  # noqa: PLC0415 the graph tools are an extra

        self.check_open()
        how = {"name": name, "serve": serve, "codec": codec, "link": link, "runtime": runtime}
        return deploy_model(self, model, devices, **how)

    def deploy_submodel(
        self,
        segment: str | Path,
        device: str,
        *,
        name: str | None = None,
        serve: str | None = None,
        link: str = link_names.DEFAULT,
        runtime: str = "auto",
    ) -> "Pipeline":
        """Deploy one segment's folder to one device as a pipeline of its own.

        Args:
            segment: The folder, ``DIR/segments/NAME`` of what ``paceline split`` wrote.
            device: Where to.
            name: The pipeline's name; None: made from the split's and the segment's.
            serve: As for ``deploy_model``.
            link: As for ``deploy_model``: what clients on that device send by.
            runtime: As for ``deploy_model``.

        Raises:
            BadArgumentError: An argument is not what it should be.
            CannotServeError: ``serve`` cannot be had.
            SiteClosedError: The site was closed.
            CodedError: The segment cannot be used, or the device does not get to serve it.
        """
        from paceline.deploying import deploy_submodel  # noqa: PLC0415 the graph tools are an extra

        self.check_open()
        how = {"name": name, "serve": serve, "link": link, "runtime": runtime}
        return deploy_submodel(self, segment, device, **how)

    def check_open(self) -> None:
        """Check that the site was not closed.

        Raises:
            SiteClosedError: It was.
        """
        if self._closing.is_set():
            raise SiteClosedError(self.broker)

    def close(self) -> None:
        """Close every pipeline and disconnect; closing twice is harmless."""
        self._closing.set()
        for pipeline in list(self._pipelines.values()):
            pipeline.close()
        self.session.stop()

    def _publish_accounts(self) -> None:
        while not self._closing.wait(ACCOUNT_SECONDS):
            for pipeline in list(self._pipelines.values()):
                pipeline.publish_account()
