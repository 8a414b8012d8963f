"""Pictures of videos: upright, in order, broken ones named, and nothing read that is not asked."""

import pytest

from paceline import decoding
from paceline.decoding import Video
from paceline.source_errors import SourceError, SourceUnreachableError
from paceline.sources import SourceOptions, open_source
from tests.fixtures import videos


def shots_of(path, **options):
    """Return all shots of a video."""
    source = open_source(str(path), SourceOptions(**options))
    try:
        return list(source.shots())
    finally:
        source.close()
        source.close()


def numbers(shots):
    """Return which pictures these are."""
    return [videos.number_of(shot.content) for shot in shots if shot.content is not None]


def test_pictures_come_in_order_with_their_time(tmp_path):
    """RGB, of the video's size; the source knows its pace."""
    path = videos.write(tmp_path / "a.mp4", 5, rate=20)
    source = open_source(str(path), SourceOptions())
    shots = list(source.shots())
    source.close()

    assert numbers(shots) == [0, 1, 2, 3, 4]
    assert [shot.at_seconds for shot in shots] == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert [shot.name for shot in shots] == [f"frame {number}" for number in range(5)]
    assert {(shot.content.mode, shot.content.size) for shot in shots} == {("RGB", (64, 48))}
    assert (source.live, source.shots_per_second) == (False, 20)


def test_a_camera_that_was_held_upright(tmp_path):
    """The picture is turned as the file says: the mark goes to the upper right."""
    (shot,) = shots_of(videos.turned(videos.write(tmp_path / "a.mp4", 1)))
    picture = shot.content.convert("L")

    assert picture.size == (48, 64)
    assert picture.getpixel((44, 3)) > 200
    assert max(picture.getpixel(at) for at in ((3, 3), (3, 60), (44, 60))) < 60


def test_a_video_whose_size_changes(tmp_path):
    """Each picture has its own."""
    content = videos.jpeg(0) + videos.jpeg(1, (32, 80)) + videos.jpeg(2)
    (tmp_path / "a.mjpeg").write_bytes(content)
    shots = shots_of(tmp_path / "a.mjpeg")

    assert numbers(shots) == [0, 1, 2]
    assert [shot.content.size for shot in shots] == [(64, 48), (32, 80), (64, 48)]


def test_a_broken_picture_is_named_and_the_next_is_whole(tmp_path):
    """What lies between is counted by whoever reads."""
    content = videos.jpeg(0) + videos.jpeg(1)[:150] + bytes(3000) + videos.jpeg(2)
    (tmp_path / "a.mjpeg").write_bytes(content)
    shots = shots_of(tmp_path / "a.mjpeg")

    assert numbers(shots) == [0, 2]
    assert [shot.error.code for shot in shots if shot.error] == ["source.frame_broken"]
    assert [shot.name for shot in shots] == ["frame 0", "frame 1", "frame 2"]


def test_damage_in_the_middle_costs_the_pictures_there(tmp_path):
    """A decoder's guesses are not passed on for pictures."""
    path = videos.write(tmp_path / "a.mp4", 10, codec="libx264", g="1")
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 720
    content[begin : begin + 80] = b"U" * 80
    path.write_bytes(content)
    shots = shots_of(path)

    broken = [number for number, shot in enumerate(shots) if shot.error]
    whole = [number for number in range(10) if number not in broken]
    assert len(shots) == 10
    assert 0 < len(broken) < 5
    assert numbers(shots) == whole


def test_a_picture_that_is_too_large_is_not_made(tmp_path, monkeypatch):
    """A video can promise anything."""
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    (shot,) = shots_of(videos.write(tmp_path / "a.mp4", 1))

    assert shot.content is None
    assert "64 x 48 pixels are too many" in str(shot.error)


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 999])
def test_what_is_no_video_is_refused(content, tmp_path):
    """At once, by a sentence."""
    (tmp_path / "a.mp4").write_bytes(content)

    with pytest.raises(SourceError, match="name a video that FFmpeg reads"):
        open_source(str(tmp_path / "a.mp4"), SourceOptions())


def test_a_video_that_breaks_off(tmp_path):
    """A file without its end has no index: said, not taken for an empty one."""
    path = videos.write(tmp_path / "a.ts", 30, codec="mpeg2video", format_="mpegts")
    cut = path.read_bytes()[:5000]
    path.write_bytes(cut)
    whole = len(shots_of(path))
    mp4 = videos.write(tmp_path / "b.mp4", 3)
    mp4.write_bytes(mp4.read_bytes()[:600])

    assert 0 < whole < 30
    with pytest.raises(SourceError):
        shots_of(mp4)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\n{other}\n",
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        "ffconcat version 1.0\nfile '{other}'\n",
    ],
)
def test_a_playlist_in_a_videos_clothes_opens_nothing(text, tmp_path):
    """Neither another file nor an address."""
    other = videos.write(tmp_path / "other.ts", 2, codec="mpeg2video", format_="mpegts")
    (tmp_path / "a.mp4").write_text(text.format(other=other))

    with pytest.raises(SourceError):
        shots_of(tmp_path / "a.mp4")


def test_sound_alone_is_no_video(tmp_path):
    """There is nothing to look at."""
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(800))

    with pytest.raises(SourceError, match="no picture track"):
        open_source(str(tmp_path / "a.wav"), SourceOptions())


def test_following_a_video_plays_it_again(tmp_path):
    """Until nobody wants more."""
    path = videos.write(tmp_path / "a.mp4", 3)
    options = SourceOptions(follow=True)
    source = open_source(str(path), options)
    seen = []
    for shot in source.shots():
        seen.append(videos.number_of(shot.content))
        if len(seen) == 7:
            options.stop.set()
    source.close()

    assert seen == [0, 1, 2, 0, 1, 2, 0, 1, 2]


def test_closing_waits_for_no_picture(tmp_path):
    """While pictures are taken it stays open; then it is closed once."""
    source = open_source(str(videos.write(tmp_path / "a.mp4", 3)), SourceOptions())
    shots = source.shots()
    next(shots)
    source.close()

    assert videos.number_of(next(shots).content) == 1
    shots.close()
    source.close()
    source.close()


def test_a_device_that_is_no_camera():
    """It is opened as one and refuses."""
    with pytest.raises(SourceUnreachableError, match="/dev/null: cannot be opened"):
        open_source("/dev/null", SourceOptions())


def test_of_a_camera_only_as_many_pictures_as_are_wanted_are_made(tmp_path):
    """The others are decoded, which they must, and let go."""
    path = videos.write(tmp_path / "a.mp4", 9)
    video = Video(str(path), "camera", options={}, live=True, rate=0.001)
    shots = list(video.shots())
    video.close()

    assert [shot.name for shot in shots] == ["frame 0"]
    assert [shot.at_seconds for shot in shots] == [None]


def test_a_device_gives_pictures_as_long_as_they_are_wanted():
    """FFmpeg's test card stands for one: what comes before it is the kernel's."""
    video = Video("testsrc=size=64x48", "card", format_="lavfi", options={}, live=True)
    shots = video.shots()
    names = [next(shots).name for _ in range(5)]
    shots.close()
    video.close()

    assert names == [f"frame {number}" for number in range(5)]


def test_a_camera_that_is_not_there_is_unreachable_and_not_misspelled():
    """It may be plugged in later: a script can tell that from a wrong name."""
    with pytest.raises(SourceUnreachableError):
        open_source("/dev/video963", SourceOptions())
