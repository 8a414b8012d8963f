"""From a picture to the input tensor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paceline.pictures import preprocess
from paceline.pictures.errors import PictureBlockError
from wire.manifest import Picture


def block(**changes):
    """Return a block for a 4 x 3 model."""
    return Picture(**{"input": "x", "width": 4, "height": 3, "fit": "stretch", **changes})


def picture(seed=0, width=4, height=3):
    """Return random pixels and the picture of them."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return values, Image.fromarray(values)


@given(
    seed=st.integers(0, 99),
    channels=st.sampled_from(["RGB", "BGR"]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    mean=st.sampled_from([(), (0.5,), (0.485, 0.456, 0.406)]),
    std=st.sampled_from([(), (2.0,), (0.229, 0.224, 0.225)]),
)
@settings(deadline=None)
def test_elements_are_scaled_and_normalised_in_the_tensors_channel_order(
    seed, channels, layout, mean, std
):
    """(value * scale - mean) / std, where mean and std follow the tensor's channels."""
    values, image = picture(seed)
    how = block(channels=channels, layout=layout, mean=mean, std=std)

    array = preprocess.prepare(image, how).array

    ordered = values[..., ::-1] if channels == "BGR" else values
    expected = (ordered / 255 - np.array(mean or 0.0)) / np.array(std or 1.0)
    expected = expected[None] if layout == "NHWC" else expected.transpose(2, 0, 1)[None]
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-6)


def test_uint8_holds_the_values_themselves():
    """A quantised model takes 0 to 255."""
    values, image = picture()

    array = preprocess.prepare(image, block(dtype=2, layout="NHWC")).array

    assert array.dtype == np.uint8
    assert array.flags.c_contiguous
    assert np.array_equal(array[0], values)


def test_grey_has_one_channel():
    """L is the brightness as Pillow computes it."""
    _, image = picture()

    array = preprocess.prepare(image, block(channels="L", scale=1.0)).array

    assert array.shape == (1, 1, 3, 4)
    assert np.array_equal(array[0, 0], np.asarray(image.convert("L")))


def test_letterbox_pads_with_grey_and_says_where_the_picture_lies():
    """A wide white picture in a square: grey above and below."""
    image = Image.new("RGB", (80, 40), "white")
    how = Picture(input="x", width=8, height=8, scale=1.0, pad=7)

    prepared = preprocess.prepare(image, how)

    assert prepared.array[0, 0, :, 0].tolist() == [7, 7, 255, 255, 255, 255, 7, 7]
    assert prepared.geometry.to_picture(np.array((0.0, 2.0))).tolist() == [0.0, 0.0]
    assert prepared.picture.size == (80, 40)


def test_stretch_fills_the_input():
    """No padding; both sides are scaled."""
    image = Image.new("RGB", (80, 40), "white")
    how = Picture(input="x", width=8, height=8, scale=1.0, fit="stretch")

    assert preprocess.prepare(image, how).array.min() == 255


def test_the_array_is_not_the_pictures_memory():
    """The caller may write into it."""
    _, image = picture()
    before = np.asarray(image).copy()

    preprocess.prepare(image, block(dtype=2, layout="NHWC")).array[:] = 0

    assert np.array_equal(np.asarray(image), before)


@pytest.mark.parametrize(
    "changes",
    [
        {"fit": "crop"},
        {"channels": "RGBA"},
        {"layout": "CHW"},
        {"dtype": 7},
        {"width": 0},
        {"width": 1 << 20, "height": 1 << 20},
        {"pad": 256},
        {"mean": (1.0, 2.0)},
        {"mean": (float("nan"),)},
        {"std": (1.0, 0.0, 1.0)},
        {"scale": float("inf")},
        {"dtype": 2, "mean": (0.5,)},
        {"dtype": 2, "scale": 2.0},
    ],
)
def test_a_block_that_cannot_be_used_is_refused_by_field(changes):
    """The error names the field, what it holds and what it may hold."""
    with pytest.raises(PictureBlockError) as caught:
        preprocess.check(block(**changes))

    assert caught.value.field in changes
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(f"preprocess.{caught.value.field}: cannot be used (got ")
