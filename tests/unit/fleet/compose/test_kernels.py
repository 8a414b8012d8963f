"""How far answers may be off on a device, from how far optimised kernels are off here."""

import msgspec
import numpy as np

from fleet.compose.kernels import Allowance, allowance
from wire.manifest import Tolerance

BEFORE = Allowance(Tolerance(), msgspec.UNSET)


def test_equal_answers_allow_nothing_more():
    """Nor do floats that are within the tolerance anyway, or an index that is another one."""
    plain = {"y": np.float32([1, 2]), "q": np.int8([3])}

    assert allowance(plain, plain, BEFORE) == BEFORE
    assert allowance({"y": np.float32([1, 2 + 1e-5])}, {"y": plain["y"]}, BEFORE) == BEFORE
    assert allowance({"i": np.int64([4])}, {"i": np.int64([3])}, BEFORE) == BEFORE


def test_steps_that_were_seen_are_allowed_twice():
    """Up to what agents allow at all."""
    seven = allowance({"q": np.int8([10])}, {"q": np.int8([3])}, BEFORE)
    many = allowance({"q": np.uint8([200])}, {"q": np.uint8([3])}, BEFORE)

    assert (seven.quanta, many.quanta) == (14, 16)
    assert "'q' by up to 7 steps (14 are allowed)" in seven.note


def test_floats_that_integers_made_get_a_wider_tolerance():
    """A segment may take its integers apart itself."""
    found = allowance({"y": np.float32([1.5])}, {"y": np.float32([1.0])}, BEFORE)

    assert (found.tolerance, found.quanta) == (Tolerance(absolute=1.0), msgspec.UNSET)
    assert "'y' by up to 0.5" in found.note


def test_other_shapes_are_no_matter_of_kernels():
    """They are left to whoever compares."""
    assert allowance({"y": np.float32([1])}, {"y": np.float32([[1]])}, BEFORE) == BEFORE
