"""A camera on the network: its secret stays one, and a stream that drops is taken up again."""

import itertools
import threading
import time

import pytest

from paceline import decoding
from paceline.source_errors import SourceError, SourceUnreachableError
from paceline.sources import SourceOptions, open_source
from paceline.sources.rtsp import address
from tests.fixtures import videos
from tests.fixtures.rtsp_camera import RtspCamera


class Watched:
    """A source with what it said."""

    def __init__(self, camera, **options):
        self.said = []
        self.options = SourceOptions(say=self.said.append, **options)
        self.source = open_source(camera.url, self.options)
        self.shots = self.source.shots()

    def take(self, count):
        """Return the numbers of the next pictures."""
        found = itertools.islice(self.shots, count)
        return [videos.number_of(shot.content) for shot in found if shot.content is not None]

    def end(self):
        """Let go."""
        self.options.stop.set()
        self.shots.close()
        self.source.close()


@pytest.fixture
def camera(tmp_path):
    """A camera that is on."""
    with RtspCamera(tmp_path) as running:
        yield running


def test_a_stream_that_drops_is_taken_up_again_and_each_loss_said_once(camera):
    """Dropped by the camera, then a camera that is off for a while."""
    watched = Watched(camera)
    first = watched.take(5)
    camera.drop()
    again = watched.take(30)
    camera.stop()
    threading.Timer(0.8, camera.start).start()
    back = watched.take(30)
    said = [each.replace(camera.url, "it") for each in watched.said]
    watched.end()

    assert watched.source.live
    for taken in (first, again[-5:], back[-5:]):
        steps = {(after - before) % 10 for before, after in itertools.pairwise(taken)}
        assert steps <= {1, 2}
    assert [each.split(" (")[0].split(" after")[0] for each in said] == [
        "source it: lost", "source it: back", "source it: lost", "source it: back",
    ]  # fmt: skip


def test_a_camera_that_falls_silent_is_lost(camera, monkeypatch):
    """It holds the line and says nothing: given up after a while, and asked again."""
    monkeypatch.setattr(decoding, "READ_SECONDS", 0.5)
    watched = Watched(camera)
    watched.take(3)
    asked = camera.asked
    camera.silent = True

    def speak_when_asked():
        ends = time.monotonic() + 60
        while camera.asked == asked and time.monotonic() < ends:
            time.sleep(0.01)
        camera.silent = False

    threading.Thread(target=speak_when_asked).start()
    watched.take(60)
    watched.end()

    assert camera.asked > asked
    assert "lost (breaks off" in watched.said[0]


def test_a_camera_that_asks_for_a_password_gets_it_from_a_file(tmp_path):
    """And nothing that is said holds it."""
    (tmp_path / "secret").write_text("p@ss/word\n")
    with RtspCamera(tmp_path, "me:p@ss/word") as camera:
        where = camera.url.replace("//", "//me@")
        source = open_source(where, SourceOptions(password_file=tmp_path / "secret"))
        shots = source.shots()
        shot = next(shots)
        shots.close()
        source.close()
        (tmp_path / "secret").write_text("wrong")
        with pytest.raises(SourceUnreachableError) as caught:
            open_source(where, SourceOptions(password_file=tmp_path / "secret"))

    assert shot.content is not None
    assert "wrong" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("rtsp://me:secret@camera/1", "holds a password"),
        ("rtsp://me:@camera/1", "holds a password"),
        ("rtsp:///1", "names no host"),
        ("rtsp://camera:port/1", "is no URL"),
        ("rtsp://[::1/1", "is no URL"),
    ],
)
def test_addresses_that_are_refused(where, problem):
    """No error repeats what may be a secret."""
    with pytest.raises(SourceError, match=problem) as caught:
        address(where, None)

    assert "secret" not in str(caught.value)


def test_a_password_file_that_cannot_be_used(tmp_path):
    """It says which; and a password needs a user."""
    with pytest.raises(SourceError, match="cannot be read"):
        address("rtsp://me@camera/1", tmp_path / "none")
    with pytest.raises(SourceError, match="no user"):
        address("rtsp://camera/1", tmp_path / "none")
