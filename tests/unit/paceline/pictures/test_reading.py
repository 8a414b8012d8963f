"""Pictures are read upright, RGB and bounded; broken ones are named."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paceline.pictures import reading
from paceline.pictures.errors import PictureError, PictureTooLargeError

ORIENTATION = 0x0112


def encoded(image, kind="PNG", **options):
    """Return the content of a picture file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(width=6, height=4):
    """Return a picture without any symmetry."""
    values = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(values)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG", "MPO"])
def test_a_file_and_its_content_give_the_same_picture(tmp_path, kind):
    """Path, text and bytes give the pixels that Pillow sees, for every format that we name."""
    content = encoded(gradient(), kind)
    path = tmp_path / "picture"
    path.write_bytes(content)

    read = [np.asarray(reading.read(source)) for source in (path, str(path), content)]
    with Image.open(path) as opened:
        image = np.asarray(opened.convert("RGB"))

    assert image.shape == (4, 6, 3)
    assert all(np.array_equal(one, image) for one in read)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(orientation):
    """Whichever way the camera was held, the picture stands upright."""
    upright = gradient()
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored so that turning it by 270 sets it upright
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turns[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    read = reading.read(encoded(stored, exif=exif))

    assert np.array_equal(np.asarray(read), np.asarray(upright))


def test_transparent_parts_show_white_paper():
    """What lies below transparent pixels is not shown."""
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))

    read = reading.read(encoded(image))

    assert list(np.asarray(read)[0].tolist()) == [[10, 20, 30], [255, 255, 255]]


def read_or_none(content):
    """Return the picture, or None where reading it ends in one of our errors; others pass."""
    try:
        return reading.read(content)
    except (PictureError, PictureTooLargeError):
        return None


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "YCbCr"])
def test_every_common_mode_becomes_rgb(mode):
    """White stays white in any mode."""
    image = Image.new("RGB", (3, 2), "white").convert(mode)

    read = reading.read(image)

    assert (read.mode, read.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_sixteen_bits_a_pixel_keep_their_brightness():
    """A 16-bit grey picture is scaled, not cut at 255."""
    image = Image.fromarray(np.array([[0, 0x7FFF, 0xFFFF]], np.uint16))

    read = reading.read(encoded(image))

    assert [pixel[0] for pixel in np.asarray(read)[0].tolist()] == [0, 127, 255]


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The error says which file, what is wrong, and ends in exit code 3."""
    with pytest.raises(PictureError) as caught:
        reading.read(tmp_path / "gone.png")

    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(f"{tmp_path}/gone.png: cannot be read (No such file")


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_what_is_no_picture_is_refused(content):
    """Empty, text, only a magic number, or a program for an interpreter."""
    with pytest.raises(PictureError, match=r"^photo: not a picture of a format that we read;"):
        reading.read(content, "photo")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF"])
@given(share=st.floats(0.0, 0.9))
@settings(max_examples=15, deadline=None)
def test_a_truncated_picture_is_an_error_or_a_whole_picture(kind, share):
    """However far the file goes, nothing but a coded error comes out."""
    content = encoded(gradient(40, 30), kind)

    read = read_or_none(content[: int(len(content) * share)])

    assert read is None or read.size == (40, 30)


@given(st.binary(min_size=1, max_size=8), st.integers(8, 90))
@settings(max_examples=60, deadline=None)
def test_a_damaged_picture_raises_nothing_else(damage, at):
    """Whatever a decoder raises on broken content becomes a coded error."""
    content = bytearray(encoded(gradient(20, 10)))
    content[at : at + len(damage)] = damage

    read = read_or_none(bytes(content))

    assert read is None or read.mode == "RGB"


def header_only(width, height):
    """Return a picture that says it is large and has nearly no content."""
    return f"P6 {width} {height} 255\n".encode() + bytes(64)


@pytest.mark.parametrize("side", [8193, 9500, 30_000])
def test_a_bomb_is_refused_before_it_is_decoded(side):
    """Above our limit, above Pillow's warning, above Pillow's own limit."""
    with pytest.raises(PictureTooLargeError) as caught:
        reading.read(header_only(side, side), "bomb.ppm")

    assert caught.value.exit_code == 3
    assert str(caught.value).startswith("bomb.ppm: ")


def test_without_pillow_the_error_names_the_extra():
    """A device has no Pillow; who asks for pictures there learns what to install."""
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "from paceline.pictures import reading, preprocess, postprocess, drawing\n"
        "from paceline.pictures.errors import PillowMissingError\n"
        "try: reading.read(b'')\n"
        "except PillowMissingError as error: print(error.exit_code, error)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.startswith("3 pictures: Pillow cannot be imported")
    assert "install paceline[demo] or paceline[fleet]" in ran.stdout
