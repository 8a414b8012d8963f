"""What makes a plan real: what a deploy must be told. Pure."""

from collections.abc import Set

from fleet import edge_links
from fleet.deploy_options import DeployOptions
from fleet.model_plan.candidate import Candidate
from wire import codec_names, link_names


def deploy_options(chosen: Candidate) -> DeployOptions:
    """Return what makes a candidate real.

    It counts on the broker for what clients send; where all links are alike, that may go so, too.
    """
    sent = [
        [hop for hop in chosen.hops if hop.into == into] for into in range(1, len(chosen.groups))
    ]
    codecs = [next((hop.codec for hop in hops), codec_names.DEFAULT) for hops in sent]
    links = [_one({hop.link for hop in hops}) for hops in sent]
    coded = [f"{stage}={name}" for stage, name in enumerate(codecs) if name != codec_names.DEFAULT]
    runtimes = {s.device: s.runtime for s in chosen.stages if s.says_runtime}
    said = [link or link_names.DEFAULT for link in links]
    for_all = said[0] if len(set(said)) == 1 else link_names.DEFAULT
    return DeployOptions(
        to=chosen.to,
        codec=",".join(coded) or None,
        link=edge_links.text([for_all, *said, for_all]) if any(links) else None,
        runtime=",".join(f"{device}={name}" for device, name in runtimes.items()) or None,
    )


def _one(kinds: Set[str | None]) -> str | None:
    """Return the link of a stage; several, where the next stage's replicas are reached so."""
    if len(kinds) <= 1:
        return next(iter(kinds), None)
    return link_names.AUTO if link_names.DIRECT & kinds else link_names.DEFAULT
