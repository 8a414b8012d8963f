"""Random graphs of every kind: cut wherever they can be, and the cut model is the model."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from tests.generated.census import CENSUS, EXAMPLES, IS_FIXED
from tests.generated.graphs import models
from tests.generated.judge import UnfairError, judged

MOST_DISCARDED = 0.1


@pytest.mark.timeout(0)
def test_a_random_graph_is_cut_if_it_can_be_and_stays_what_it_is(in_process):
    """A split succeeds exactly when there is a legal cut, and then the chain is bit-equal."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=IS_FIXED,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(models())
    def all_is_well(made):
        CENSUS.saw(made.model, external=made.external)
        with tempfile.TemporaryDirectory(prefix="paceline-") as folder:
            try:
                CENSUS.outcomes[judged(made, Path(folder))] += 1
            except UnfairError as error:
                CENSUS.discard(str(error))
                reject()

    all_is_well()

    assert CENSUS.discarded < MOST_DISCARDED * CENSUS.drawn
