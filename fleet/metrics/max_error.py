"""The largest difference of an element, which has to be within the tolerance of elements."""

from fleet.compare import compare
from fleet.metrics import Arrays, Score
from wire.manifest import Tolerance


class MaxError:
    """Passes when every element is near: |got - expected| <= absolute + relative * |expected|."""

    def compare(self, got: Arrays, expected: Arrays, tolerance: Tolerance) -> Score:
        """Return the largest difference of all outputs; see ``Metric``."""
        found = [compare(got[name], wanted, tolerance) for name, wanted in expected.items()]
        return Score(
            name="max_error",
            value=max((difference.max_abs_diff for difference in found), default=0.0),
            higher_is_better=False,
            passes=all(difference.within for difference in found),
        )


PLUGIN = MaxError
