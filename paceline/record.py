"""Keeps the user's list of deployments; a list that cannot be kept spoils no deploy."""

import os
import time
from collections.abc import Collection
from pathlib import Path

from fleet.control import deployments
from fleet.control.deploy import Deployment
from fleet.control.deploy_errors import DeploymentsFileError
from fleet.control.deployments import Entry, Promise
from paceline.output import Output
from wire.messages import Route
from wire.topics import Site


def deployed(
    topics: Site,
    broker: str,
    made: Deployment,
    folder: Path,
    output: Output | None = None,
    promise: Promise | None = None,
) -> None:
    """Add what was deployed to the list, with what its plan promised."""
    entry = Entry(
        broker=broker,
        root=topics.root,
        site=topics.site,
        pipeline=made.pipeline,
        generation=made.generation,
        devices=tuple(stage.device for stage in made.stages),
        folder=str(folder.resolve()),
        deployed_unix_ns=time.time_ns(),
        route=made.route,
        promise=promise,
    )
    try:
        deployments.add(deployments.default_folder(os.environ), entry)
    except DeploymentsFileError as error:
        _note(output, error)


def undeployed(topics: Site, broker: str, pipeline: str, output: Output | None = None) -> None:
    """Remove a pipeline from the list."""
    place = (broker, topics.root, topics.site, pipeline)
    try:
        deployments.remove(deployments.default_folder(os.environ), place)
    except DeploymentsFileError as error:
        _note(output, error)


def forgotten(
    topics: Site, broker: str, devices: Collection[str], output: Output | None = None
) -> None:
    """Take devices out of the list; a pipeline that has none left for a stage leaves it."""
    site = (broker, topics.root, topics.site)
    try:
        deployments.forget(deployments.default_folder(os.environ), site, devices)
    except DeploymentsFileError as error:
        _note(output, error)


def known(topics: Site, broker: str) -> tuple[Entry, ...]:
    """Return what this user deployed on this site, oldest first.

    Raises:
        DeploymentsFileError: The list cannot be read.
    """
    here = (broker, topics.root, topics.site)
    folder = deployments.default_folder(os.environ)
    return tuple(entry for entry in deployments.read(folder) if entry.place[:3] == here)


def promised(topics: Site, broker: str, route: Route) -> Promise | None:
    """Return what the plan promised of the generation that serves; None: nobody here knows.

    Raises:
        DeploymentsFileError: The list cannot be read.
    """
    serving = (route.pipeline, route.generation)
    found = (e for e in known(topics, broker) if (e.pipeline, e.generation) == serving)
    return next((entry.promise for entry in found), None)


def _note(output: Output | None, error: DeploymentsFileError) -> None:
    if output is not None:
        output.note(f"note: {error}")
