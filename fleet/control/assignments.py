"""From a manifest and a placement to assignments and the route. Pure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import msgspec

from fleet.control.deploy_errors import PlacementError, UnknownSegmentError
from wire.codec_names import DEFAULT
from wire.manifest import INPUT, OUTPUT, Edge, Manifest, Segment
from wire.messages import Assignment, Contract, Peer, Peers, Route, RouteStage, Transfer

RUNTIMES: Final[Mapping[str, str]] = MappingProxyType({"onnx": "onnx_cpu"})
"""The runtime that runs a segment of each format."""


def runtime_of(segment: Segment) -> str:
    """Return the runtime for a segment; a format that only its runtime knows is named like it."""
    return RUNTIMES.get(segment.format, segment.format)


def check_placement(manifest: Manifest, pipeline: str, devices: Sequence[str]) -> None:
    """Check that there is one device for each segment.

    Raises:
        PlacementError: There is not.
    """
    names = [segment.name for segment in manifest.segments]
    if len(names) != len(devices):
        raise PlacementError(pipeline, names, devices)


def assignments(
    manifest: Manifest,
    pipeline: str,
    generation: int,
    devices: Sequence[str],
    codecs: Sequence[str] = (),
) -> tuple[Assignment, ...]:
    """Return one assignment for each segment, by stage.

    ``devices`` has one entry a segment, and ``codecs`` one for each edge that enters a stage (see
    `fleet.edge_codecs`) or none: all is raw.
    """
    peers = [Peer(device=device, stage=stage) for stage, device in enumerate(devices)]
    made = []
    for stage, segment in enumerate(manifest.segments):
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
                ),
                runtime=runtime_of(segment),
                peers=Peers(
                    upstream=tuple(peers[stage - 1 : stage]) if stage else (),
                    downstream=tuple(peers[stage + 1 : stage + 2]),
                ),
                transfer=Transfer(codec=next(iter(codecs[stage + 1 :]), DEFAULT)),
            )
        )
    return tuple(made)


def route(
    manifest: Manifest,
    pipeline: str,
    generation: int,
    epoch: int,
    devices: Sequence[str],
    codecs: Sequence[str] = (),
) -> Route:
    """Return what clients need to feed this generation; see `assignments`."""
    return Route(
        pipeline=pipeline,
        generation=generation,
        epoch=epoch,
        manifest=manifest.digest,
        stages=tuple(
            RouteStage(
                stage=stage, device=device, segment=segment.name, runtime=runtime_of(segment)
            )
            for stage, (segment, device) in enumerate(zip(manifest.segments, devices, strict=True))
        ),
        receives=manifest.edges[0].tensors,
        outputs=manifest.outputs,
        preprocess=manifest.preprocess,
        postprocess=manifest.postprocess,
        codec=next(iter(codecs), DEFAULT),
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
