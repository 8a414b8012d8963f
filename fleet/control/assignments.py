"""From a manifest and a placement to assignments and the route. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec

from fleet.control.deploy_errors import (
    BatchError,
    PlacementError,
    ReplicasError,
    UnknownSegmentError,
)
from fleet.formats import RUNTIMES
from fleet.runtime_choice import Chosen
from wire import link_names
from wire.codec_names import DEFAULT
from wire.manifest import INPUT, OUTPUT, Edge, Manifest, Segment
from wire.messages import (
    ONE_BY_ONE,
    Assignment,
    Batching,
    Contract,
    Peer,
    Peers,
    Route,
    RouteStage,
    Transfer,
)
from wire.tensors import batch_dimension, describe


@dataclass(frozen=True, slots=True)
class Means:
    """With what segments are run and frames are sent."""

    codecs: Sequence[str] = ()
    """One for each edge that enters a stage (see `fleet.edge_codecs`); none: all is raw."""
    batching: Batching = ONE_BY_ONE
    """Of every segment that can run several frames at once."""
    links: Sequence[str] = ()
    """One for each edge (see `fleet.edge_links`); none: the broker carries all."""
    runtimes: Sequence[Chosen] = ()
    """Of each assignment (see `fleet.runtime_choice`); none: the processor's."""


AS_USUAL: Final = Means()


def runtime_of(segment: Segment) -> str:
    """Return what runs a segment anywhere; an unknown format is named like its runtime."""
    return RUNTIMES.get(segment.format, segment.format)


def check_placement(manifest: Manifest, pipeline: str, devices: Sequence[str]) -> None:
    """Check that there is one device, or several different ones, for each segment.

    Raises:
        PlacementError: There is not.
    """
    names = [segment.name for segment in manifest.segments]
    if len(names) != len(devices):
        raise PlacementError(pipeline, names, devices)
    for name, replicas in zip(names, placement(devices), strict=True):
        if len(set(replicas)) < len(replicas):
            raise ReplicasError(pipeline, name, replicas)


def check_batching(manifest: Manifest, pipeline: str) -> None:
    """Check that a segment can run several frames at once.

    Raises:
        BatchError: None can.
    """
    reasons = {}
    for segment in manifest.segments:
        specs = (*segment.inputs, *segment.outputs)
        if batch_dimension(specs) is not None:
            return
        odd = next((spec for spec in specs if batch_dimension((spec,)) is None), None)
        reasons[segment.name] = (
            f"{odd.name!r} is {describe(odd.dtype, odd.shape)}"
            if odd
            else "several first dimensions"
        )
    raise BatchError(pipeline, reasons)


def placement(devices: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the devices of each segment; an entry such as ``d2+d3`` names replicas."""
    return tuple(tuple(part.strip() for part in entry.split("+")) for entry in devices)


def assignments(
    manifest: Manifest,
    pipeline: str,
    generation: int,
    devices: Sequence[str],
    means: Means = AS_USUAL,
) -> tuple[Assignment, ...]:
    """Return one assignment for each device of each segment, by stage.

    Args:
        manifest: What was split.
        pipeline: Its name.
        generation: Its generation.
        devices: One entry for each segment: a device, or several replicas as ``d2+d3``.
        means: With what; those of `AS_USUAL` run anywhere.
    """
    peers = [
        tuple(Peer(device=device, stage=stage) for device in replicas)
        for stage, replicas in enumerate(placement(devices))
    ]
    made: list[Assignment] = []
    for stage, segment in enumerate(manifest.segments):
        for _ in peers[stage]:
            chosen = next(iter(means.runtimes[len(made) :]), Chosen(runtime_of(segment)))
            made.append(
                Assignment(
                    pipeline=pipeline,
                    generation=generation,
                    stage=stage,
                    segment=segment.name,
                    format=segment.format,
                    files=segment.files,
                    contract=Contract(
                        receives=manifest.edges[stage].tensors,
                        sends=manifest.edges[stage + 1].tensors,
                        inputs=segment.inputs,
                        outputs=segment.outputs,
                        tolerance=segment.tolerance,
                        quanta=segment.quanta or 0,
                    ),
                    runtime=chosen.runtime,
                    accelerator=chosen.accelerator,
                    require_accelerator=chosen.required,
                    peers=Peers(
                        upstream=peers[stage - 1] if stage else (),
                        downstream=next(iter(peers[stage + 1 :]), ()),
                    ),
                    transfer=Transfer(
                        entry=link_names.DEFAULT if stage else _link(means, 0),
                        link=_link(means, stage + 1),
                        codec=next(iter(means.codecs[stage + 1 :]), DEFAULT),
                    ),
                    batching=means.batching,
                )
            )
    return tuple(made)


def _link(means: Means, edge: int) -> str:
    return means.links[edge] if edge < len(means.links) else link_names.DEFAULT


def route(
    manifest: Manifest,
    pipeline: str,
    generation: int,
    epoch: int,
    devices: Sequence[str],
    means: Means = AS_USUAL,
) -> Route:
    """Return what clients need to feed this generation; see `assignments`."""
    return Route(
        pipeline=pipeline,
        generation=generation,
        epoch=epoch,
        manifest=manifest.digest,
        stages=tuple(
            RouteStage(
                stage=stage,
                device=device,
                segment=segment.name,
                runtime=means.runtimes[place].runtime if means.runtimes else runtime_of(segment),
            )
            for place, (stage, segment, device) in enumerate(
                (stage, manifest.segments[stage], device)
                for stage, replicas in enumerate(placement(devices))
                for device in replicas
            )
        ),
        receives=manifest.edges[0].tensors,
        outputs=manifest.outputs,
        preprocess=manifest.preprocess,
        postprocess=manifest.postprocess,
        codec=next(iter(means.codecs), DEFAULT),
        entry_link=_link(means, 0),
        answers_link=_link(means, len(manifest.segments)),
    )


def single_segment_manifest(manifest: Manifest, segment_name: str) -> Manifest:
    """Return the manifest of a pipeline that is one segment of ``manifest`` alone.

    The model is still the one that was cut; how pictures go in or answers come out stays where
    the segment has that input or output itself.

    Raises:
        UnknownSegmentError: There is no such segment.
    """
    by_name = {segment.name: segment for segment in manifest.segments}
    if segment_name not in by_name:
        raise UnknownSegmentError(segment_name, tuple(by_name))
    segment = by_name[segment_name]
    carried = (segment.inputs, segment.outputs)
    places = pairwise((INPUT, segment_name, OUTPUT))
    picture, answer = manifest.preprocess, manifest.postprocess
    takes = {spec.name for spec in segment.inputs}
    gives = {spec.name for spec in segment.outputs}
    return msgspec.structs.replace(
        manifest,
        inputs=segment.inputs,
        outputs=segment.outputs,
        segments=(segment,),
        edges=tuple(
            Edge(source=source, target=target, tensors=tensors)
            for (source, target), tensors in zip(places, carried, strict=True)
        ),
        preprocess=picture if picture and picture.input in takes else None,
        postprocess=answer if answer and answer.output in gives else None,
    )
