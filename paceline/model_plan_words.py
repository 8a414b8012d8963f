"""What `paceline plan --explain` says, in sentences."""

from collections.abc import Iterator

from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.explain import Explanation
from fleet.model_plan.setting import Setting
from paceline.formatting import seconds_text


def sentences(setting: Setting, answer: ModelAnswer, found: Explanation) -> Iterator[str]:
    """Yield what there is to say of a plan."""
    yield _why(answer)
    if answer.goal == "throughput":
        share = f"{found.bottleneck_share:.0%}"
        yield f"{found.bottleneck} keeps it back: it is busy {share} of the time."
    else:
        what = {"energy": "energy", "cost": "cost"}.get(answer.goal, "way")
        share = f"{found.bottleneck_share:.0%}"
        yield f"{found.bottleneck} takes most of a frame's {what}: {share} of it."
    if found.next_best_worse is not None:
        cuts = f", cut at {', '.join(found.next_best_cuts)}" if found.next_best_cuts else ""
        yield (f"The next best plan is {_change(found.next_best_worse)}: {found.next_best}{cuts}.")
    if found.spared_worse is not None:
        how = _change(found.spared_worse)
        yield f"Without {found.spared}, the best plan is {how}: {found.spared_to}."
    for name, worse in found.neighbours:
        how = "does not fit" if worse is None else f"is {_change(worse)}"
        yield f"Cutting at {name} instead {how}."
    if found.help_most:
        yield (
            f"What would help most of what was tried: {found.help_most}, which saves"
            f" {found.help_most_better:.0%}."
        )
    if found.without_codecs_worse is not None:
        yield (
            "Codecs move outputs a little (paceline verify parts --codec ...); with raw links the"
            f" best is {_change(found.without_codecs_worse)}."
        )
    for device in setting.devices:
        summed = answer.chosen and answer.chosen.is_split and not answer.finalists
        if (
            summed
            and device.operators_sum_seconds
            and answer.chosen
            and device.id in answer.chosen.devices
        ):
            alone = seconds_text(device.operators_sum_seconds)
            yield (
                f"On {device.id} the whole model takes {seconds_text(device.whole_seconds)}, its"
                f" operators one by one {alone}: what a runtime fuses across a cut is lost, which"
                " a measurement of the segments shows."
            )


def _why(answer: ModelAnswer) -> str:
    goal, split = answer.goal, answer.split
    whole = [one for one in (answer.single, answer.replicas) if one is not None]
    best = min(whole, key=lambda one: one.objective(goal), default=None)
    if split is None:
        return "No split of two stages or more fits, or there is one device alone."
    if best is None:
        return "No device can serve the whole model, so it is split."
    ratio = best.objective(goal) / split.objective(goal) - 1
    what = best.to
    if ratio > 0:
        return f"The best without a cut ({what}) is {_change(ratio, 'the split')}."
    saved = 1 / (1 + ratio) - 1
    return f"The best split is {_change(saved, f'the whole model on {what}')}."


def _change(worse: float, than: str = "") -> str:
    """Return how much worse something is, in words."""
    if abs(worse) < 5e-4:
        return f"as good as {than}" if than else "as good"
    how = f"{worse:.1%} worse" if worse > 0 else f"{-worse:.1%} better"
    return f"{how} than {than}" if than else how
