"""Deploys from Python: ``site.deploy_model(...)`` and ``site.deploy_submodel(...)``.

The key is the user's, as for ``paceline deploy``; agents fetch from this process meanwhile.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fleet import artifacts, edge_codecs, edge_links, keys, runtime_choice, split
from fleet.artifact_server import ListenError
from fleet.control.assignments import placement
from fleet.control.deploy import DeployRequest, deploy
from fleet.formats import CutRequest
from fleet.runtime_choice import AUTO
from fleet.split import Presentation
from fleet.split_folder import SEGMENTS_FOLDER
from paceline import arguments, record
from paceline.cache import measured_folder
from paceline.errors import BadArgumentError, CannotServeError
from paceline.serving import listen_address
from wire import codec_names, ids, link_names
from wire.session import Session

if TYPE_CHECKING:
    from paceline.client import Site
    from paceline.pipeline import Pipeline

CONNECT_SECONDS: Final = 10.0


def deploy_model(  # noqa: PLR0913 one for each option
    site: "Site",
    model: Any,
    devices: Any,
    *,
    name: Any = None,
    serve: Any = None,
    codec: Any = codec_names.DEFAULT,
    link: Any = link_names.DEFAULT,
    runtime: Any = AUTO,
) -> "Pipeline":
    """Cut ``model`` into one segment for each device, deploy them, and return the pipeline.

    Raises:
        BadArgumentError: An argument is not what it should be.
        CannotServeError: ``serve`` cannot be had.
        CodedError: The model cannot be cut, or a device does not get to serve; see
            `fleet.split.split` and `fleet.control.deploy.deploy`.
    """
    source, names = arguments.path("model", model), arguments.devices(devices)
    name, address = _name(name), _address(site, serve)
    codecs, links = _codecs(codec, len(names)), _links(link, len(names))
    runtimes = _runtimes(runtime, names)
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        folder = Path(place, "split")
        cut = CutRequest(stages=len(names), memory=measured_folder(os.environ))
        split.split(source, folder, cut, Presentation(name=name))
        request = DeployRequest(
            topics=site.topics, folder=folder, devices=names, serve=address, codecs=codecs,
            link=links, runtime=runtimes,
        )  # fmt: skip
        return _deployed(site, request, source)


def deploy_submodel(
    site: "Site",
    segment: Any,
    device: Any,
    *,
    name: Any = None,
    serve: Any = None,
    link: Any = link_names.DEFAULT,
    runtime: Any = AUTO,
) -> "Pipeline":
    """Deploy one segment's folder, ``DIR/segments/NAME``, as a pipeline of its own.

    Raises:
        BadArgumentError: An argument is not what it should be.
        CannotServeError: ``serve`` cannot be had.
        CodedError: The segment cannot be used, or the device does not get to serve it.
    """
    source = arguments.path("segment", segment).absolute()
    if not source.is_dir():
        expected = "the folder of one segment, DIR/segments/NAME of what `paceline split` wrote"
        raise BadArgumentError("segment", str(segment), expected)
    folder = source.parent.parent if source.parent.name == SEGMENTS_FOLDER else source.parent
    devices = (ids.checked(device, "device"),)
    request = DeployRequest(
        topics=site.topics,
        folder=folder,
        devices=devices,
        link=_links(link, 1),
        runtime=_runtimes(runtime, devices),
        name=_name(name),
        segment=source.name,
        serve=_address(site, serve),
    )
    return _deployed(site, request, source)


def _name(name: Any) -> str | None:
    return None if name is None else ids.checked(name, "pipeline name")


def _codecs(codec: Any, stages: int) -> str:
    """Return how edges shall be written, checked before the model is cut."""
    if not isinstance(codec, str):
        expected = "a codec's name, or one for each edge, such as 'entry=fp16,0=int8_channel'"
        raise BadArgumentError("codec", codec, expected)
    return edge_codecs.text(edge_codecs.parsed(codec, stages))


def _links(link: Any, stages: int) -> str:
    """Return what shall carry frames, checked before the model is cut."""
    if not isinstance(link, str):
        expected = "a link's name, or one for each edge, such as 'auto,entry=mqtt'"
        raise BadArgumentError("link", link, expected)
    edge_links.parsed(link, stages)
    return link


def _runtimes(runtime: Any, devices: Sequence[str]) -> str:
    """Return what shall run the segments, checked before the model is cut."""
    if not isinstance(runtime, str):
        expected = "a runtime's name, or one for a stage or a device, such as 'auto,1=onnx_cpu'"
        raise BadArgumentError("runtime", runtime, expected)
    runtime_choice.parsed(runtime, placement(devices))
    return runtime


def _address(site: "Site", serve: Any) -> str:
    """Return ``HOST:PORT`` to serve at, checked before the model is cut."""
    if serve is None:
        return listen_address(site.broker)
    expected = "HOST:PORT, such as '0.0.0.0:8788'"
    if not isinstance(serve, str):
        raise BadArgumentError("serve", serve, expected)
    try:
        artifacts.parse_listen(serve)
    except ListenError as error:
        raise BadArgumentError("serve", serve, expected) from error
    return serve


def _deployed(site: "Site", request: DeployRequest, source: Path) -> "Pipeline":
    key = keys.load_or_make(keys.default_path(os.environ))
    with _session(site) as session:
        try:
            made = deploy(request, session, key)
        except ListenError as error:
            raise CannotServeError(error.address, error.problem) from error
    record.deployed(site.topics, site.broker, made, source)
    return site.pipeline(made.pipeline)


@contextmanager
def _session(site: "Site") -> Iterator[Session]:
    """Give a session for the deploy alone: the site's pipelines keep their subscriptions."""
    options = site.options
    session = Session(options.url, f"c:{site.name}-deploy", access=options.access)
    session.start()
    try:
        session.wait_up(CONNECT_SECONDS)
        yield session
    finally:
        session.stop()
