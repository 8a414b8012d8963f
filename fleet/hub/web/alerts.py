"""What is wrong with a site, in lines for the top of its page; the worst first."""

from typing import Final, NamedTuple

from fleet.hub.views import PipelineView, SiteView
from fleet.hub.web import wording as say
from fleet.hub.web.graph import stage_word

LAG_SECONDS: Final = 2.0
"""Older messages that still wait mean that the hub does not keep up."""


class Alert(NamedTuple):
    """One line."""

    state: str
    text: str


def alerts(view: SiteView) -> list[Alert]:
    """Return what a person has to know before anything else; nothing, when all is well.

    Ages are not in it: it is read aloud when it changes, and only then.
    """
    found = list(_hub(view))
    for pipeline in view.pipelines:
        found += _pipeline(pipeline)
    found += _devices(view)
    return sorted(found, key=lambda alert: alert.state != "error")


def _hub(view: SiteView) -> list[Alert]:
    hub, found = view.hub, []
    if not hub.connected:
        why = hub.broker_problem or f"{hub.broker} does not answer"
        found.append(
            Alert(
                "error", f"Not connected to the broker, so nothing below is news: {say.clean(why)}"
            )
        )
    if hub.database_problem:
        found.append(
            Alert("error", f"The database cannot be used: {say.clean(hub.database_problem)}")
        )
    if hub.lag_seconds > LAG_SECONDS:
        found.append(
            Alert("warning", f"The hub does not keep up: it is {hub.lag_seconds:.0f} s behind")
        )
    return found


def _pipeline(pipeline: PipelineView) -> list[Alert]:
    name, found = say.clean(pipeline.pipeline, 60), []
    if pipeline.condition in {"degraded", "down"}:
        reasons = [
            f"stage {stage.stage} on {say.clean(stage.device, 60)} is {stage_word(stage)[:40]}"
            for stage in pipeline.stages
            if stage.state != "ok"
        ]
        state = "error" if pipeline.condition == "down" else "warning"
        found.append(Alert(state, f"Pipeline {name} is {pipeline.condition}" + _because(reasons)))
    if pipeline.account.lost and pipeline.condition == "serving":  # else a stage may yet say why
        lost = say.whole(pipeline.account.lost)
        frames = "frame" if pipeline.account.lost == 1 else "frames"
        found.append(
            Alert(
                "warning",
                f"Pipeline {name}: {lost} {frames} ended by deadline and no stage has said why; if"
                " that stays so, it is a defect: please report it",
            )
        )
    return found


def _because(reasons: list[str]) -> str:
    return f": {', '.join(reasons[:3])}" if reasons else ""


def _devices(view: SiteView) -> list[Alert]:
    found = []
    for state, what in (("error", "errors"), ("warning", "warnings")):
        bad = [device for device in view.devices if device.state == state]
        names = ", ".join(say.clean(device.device, 60) for device in bad[:3])
        if len(bad) > 1:
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            found.append(Alert(state, f"{len(bad)} devices have {what}: {names}{more}"))
        elif bad:
            why = say.clean(bad[0].problems[0].message if bad[0].problems else bad[0].presence)
            found.append(Alert(state, why if why.startswith(names) else f"{names}: {why}"))
    return found
