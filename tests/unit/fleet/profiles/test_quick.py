"""A model's own file, measured in a child on this machine."""

import pytest

from fleet import survey
from fleet.formats import CutRequest
from fleet.profiles import attribution, quick
from tests.system.chains import write_model


def test_every_operator_of_the_chain_has_its_part_of_the_whole(tmp_path):
    """Measured with one thread, two at once: what is known of operators fits the chain."""
    file = tmp_path / "chain.onnx"
    write_model(file, rows=16, width=64, layers=3)

    profile = quick.profile(file, {}, seconds=0.2, copies=2)
    shares = attribution.operators(profile)

    chain = survey.chain(file, CutRequest())
    assert (profile.model, profile.sizes) == (chain.model, {"x": (16, 64)})
    assert profile.question.threads == 1
    assert {share.name for share in shares} == {n for b in chain.blocks for n in b.operators}
    assert sum(share.seconds for share in shares) == pytest.approx(profile.run_seconds)
    report = profile.parts[0].report
    assert 0 < report.run.p10 <= report.run.p50 <= report.run.p90
