"""Deploys from Python: ``site.deploy_model(...)`` and ``site.deploy_submodel(...)``.

The key is the user's, as for ``paceline deploy``; agents fetch from this process meanwhile.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fleet import keys, split
from fleet.control.deploy import DeployRequest, deploy
from fleet.formats import CutRequest
from fleet.split import Presentation
from fleet.split_folder import SEGMENTS_FOLDER
from paceline import record
from paceline.serving import listen_address
from wire.session import Session

if TYPE_CHECKING:
    from paceline.client import Site
    from paceline.pipeline import Pipeline

CONNECT_SECONDS: Final = 10.0


def deploy_model(
    site: "Site", model: Path, devices: Sequence[str], *, name: str | None = None
) -> "Pipeline":
    """Cut ``model`` into one segment for each device, deploy them, and return the pipeline.

    Raises:
        CodedError: The model cannot be cut, or a device does not get to serve; see
            `fleet.split.split` and `fleet.control.deploy.deploy`.
    """
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        folder = Path(place, "split")
        split.split(model, folder, CutRequest(stages=len(devices)), Presentation(name=name))
        request = DeployRequest(
            topics=site.topics, folder=folder, devices=tuple(devices), serve=_serve(site)
        )
        return _deployed(site, request, model)


def deploy_submodel(
    site: "Site", segment: Path, device: str, *, name: str | None = None
) -> "Pipeline":
    """Deploy one segment's folder, ``DIR/segments/NAME``, as a pipeline of its own.

    Raises:
        CodedError: The segment cannot be used, or the device does not get to serve it.
    """
    segment = segment.absolute()
    folder = segment.parent.parent if segment.parent.name == SEGMENTS_FOLDER else segment.parent
    request = DeployRequest(
        topics=site.topics,
        folder=folder,
        devices=(device,),
        name=name,
        segment=segment.name,
        serve=_serve(site),
    )
    return _deployed(site, request, segment)


def _serve(site: "Site") -> str:
    return listen_address(site.broker)


def _deployed(site: "Site", request: DeployRequest, source: Path) -> "Pipeline":
    key = keys.load_or_make(keys.default_path(os.environ))
    with _session(site) as session:
        made = deploy(request, session, key)
    record.deployed(site.topics, site.broker, made, source)
    return site.pipeline(made.pipeline)


@contextmanager
def _session(site: "Site") -> Iterator[Session]:
    """Give a session for the deploy alone: the site's pipelines keep their subscriptions."""
    options = site.options
    session = Session(options.url, f"c.{site.name}-deploy", access=options.access)
    session.start()
    try:
        session.wait_up(CONNECT_SECONDS)
        yield session
    finally:
        session.stop()
