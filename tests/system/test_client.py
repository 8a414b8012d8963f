"""The Python interface, used rightly and wrongly: errors with names, and a true account."""

import socket
import threading

import numpy as np
import pytest

import paceline
from paceline.errors import (
    BadArgumentError,
    CannotServeError,
    SiteClosedError,
    StreamBusyError,
)
from tests.system.feeding import ended
from tests.system.place import PATIENCE_SECONDS, free_port, until
from wire.errors import BadIdError, CodedError, TensorSpecError


@pytest.fixture(scope="module")
def url(shared_place, whole):
    """The broker of a site with one pipeline, ``p``."""
    shared_place.start("d1")
    shared_place.deploy(whole.folder, "d1")
    return shared_place.broker.url


@pytest.fixture
def site(url):
    """A connection to it."""
    with paceline.connect(url) as opened:
        yield opened


@pytest.fixture
def pipeline(site):
    """The pipeline."""
    return site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)


def endless(chain):
    """Yield frames without end."""
    while True:
        yield chain.inputs(0)


def test_lists_of_numbers_will_do(pipeline, whole):
    """And arrays in any byte order; the answer is the whole model's."""
    plain = whole.inputs(1)["x"]

    assert whole.right(1, pipeline.run({"x": plain.tolist()}))
    assert whole.right(1, pipeline.run({"x": plain.astype(">f4")}))
    assert whole.right(1, pipeline.run({"x": np.asfortranarray(plain)}))


@pytest.mark.parametrize(
    "inputs", [[1, 2], {}, {"x": "text"}, {"x": [[1.0], [2.0, 3.0]]}, {"x": np.zeros((4, 64))}]
)
def test_wrong_inputs(pipeline, whole, inputs):
    """Refused with what is expected; nothing is counted, and the next frame is answered."""
    with pytest.raises(TensorSpecError, match=r"float32\[4,64\]"):
        pipeline.run(inputs)

    assert pipeline.account.submitted == 0
    assert whole.right(0, pipeline.run(whole.inputs(0)))


@pytest.mark.parametrize(
    "options",
    [{"window": 0}, {"window": "8"}, {"rate": 0}, {"deadline_seconds": float("nan")}],
)
def test_wrong_options_are_told_when_they_are_given(pipeline, whole, options):
    """Not when the first answer is asked for."""
    with pytest.raises(BadArgumentError):
        pipeline.stream([whole.inputs(0)], **options)


@pytest.mark.parametrize("deadline_seconds", [1e12, 0, -1, "soon"])
def test_wrong_deadlines(pipeline, whole, deadline_seconds):
    """Also for a single frame."""
    with pytest.raises(BadArgumentError, match="deadline_seconds"):
        pipeline.run(whole.inputs(0), deadline_seconds=deadline_seconds)


def test_the_longest_deadline_travels(pipeline, whole):
    """It fits into a frame."""
    assert whole.right(0, pipeline.run(whole.inputs(0), deadline_seconds=4_000_000))


@pytest.mark.parametrize(
    ("name", "error"), [(5, BadIdError), (None, BadIdError), (["p"], BadIdError)]
)
def test_wrong_names(site, name, error):
    """They are no ids."""
    with pytest.raises(error):
        site.pipeline(name)


def test_a_caller_that_breaks_off(pipeline, whole):
    """What is in flight ends as client.closed, and the next stream begins with a clean account."""
    for answer in pipeline.stream(endless(whole), window=8):
        if answer.sequence == 20:
            break
    account = pipeline.account

    assert account.in_flight == 0
    assert account.submitted == ended(account)
    assert set(account.errors) <= {"client.closed"}
    assert whole.right(0, pipeline.run(whole.inputs(0)))
    assert pipeline.account.submitted == 1


def test_a_second_stream_is_refused_while_one_runs(pipeline, whole):
    """Its frames would end up in the first one's account; closing the first makes room."""
    first = pipeline.stream(endless(whole))
    next(first)
    with pytest.raises(StreamBusyError, match=r"\.close\(\)"):
        pipeline.run(whole.inputs(0))
    with pytest.raises(StreamBusyError):
        list(pipeline.stream([whole.inputs(0)]))

    assert next(first).error is None
    first.close()
    assert whole.right(0, pipeline.run(whole.inputs(0)))


def test_a_stream_that_was_never_asked_for_an_answer_is_none(pipeline, whole):
    """It has not begun, so it stands in nobody's way."""
    pipeline.stream([whole.inputs(0)])

    assert whole.right(0, pipeline.run(whole.inputs(0)))


class CameraError(Exception):
    """The application's own."""


def test_frames_that_fail_in_mid_stream(pipeline, whole):
    """The frames before have their results, then the application's own exception is raised."""

    def frames():
        for number in range(5):
            yield whole.inputs(number)
        raise CameraError("unplugged")

    answers = []
    with pytest.raises(CameraError):
        answers.extend(pipeline.stream(frames(), window=2))
    account = pipeline.account

    assert (account.submitted, account.results, account.in_flight) == (5, 5, 0)


@pytest.mark.parametrize(
    "use",
    [
        lambda site, pipeline, inputs: pipeline.run(inputs),
        lambda site, pipeline, inputs: list(pipeline.stream([inputs])),
        lambda site, pipeline, inputs: site.pipeline("p"),
        lambda site, pipeline, inputs: site.deploy_model("m.onnx", ["d1"]),
        lambda site, pipeline, inputs: site.deploy_submodel("m", "d1"),
    ],
    ids=["run", "stream", "pipeline", "deploy_model", "deploy_submodel"],
)
def test_a_closed_site_stays_closed(url, whole, use):
    """Nothing connects again behind the caller's back."""
    with paceline.connect(url) as site:
        pipeline = site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)
        pipeline.run(whole.inputs(0))
    before = threading.active_count()

    with pytest.raises(SiteClosedError, match=r"paceline\.connect"):
        use(site, pipeline, whole.inputs(0))

    assert threading.active_count() <= before


def test_a_site_that_is_closed_while_frames_stream(url, whole):
    """The stream ends with the reason, and every frame has ended."""
    site = paceline.connect(url)
    pipeline = site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)
    failures = []

    def feed():
        try:
            for _ in pipeline.stream(endless(whole)):
                pass
        except CodedError as error:
            failures.append(error.code)

    thread = threading.Thread(target=feed)
    thread.start()
    until(lambda: pipeline.account and pipeline.account.results > 5, "results")
    site.close()
    thread.join(PATIENCE_SECONDS)
    account = pipeline.account

    assert failures == ["client.site_closed"]
    assert account.in_flight == 0
    assert account.submitted == ended(account)


def test_a_port_in_use_is_named(site, whole):
    """With the argument that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotServeError, match=f"{address}.*serve="):
            site.deploy_model(whole.model, ["d1"], name="other", serve=address)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"model": 5}, BadArgumentError),
        ({"devices": "d1"}, BadArgumentError),
        ({"devices": []}, BadArgumentError),
        ({"name": "A B"}, BadIdError),
        ({"serve": 8788}, BadArgumentError),
        ({"serve": "8788"}, BadArgumentError),
        ({"codec": 16}, BadArgumentError),
        ({"codec": "0=fp16"}, CodedError),
        ({"link": 1}, BadArgumentError),
        ({"link": "pigeon"}, CodedError),
        ({"link": "0=tcp"}, CodedError),
        ({"runtime": 1}, BadArgumentError),
        ({"runtime": "3=onnx_cpu"}, CodedError),
        ({"model": "nothing.onnx"}, CodedError),
    ],
)
def test_wrong_deploys(site, whole, arguments, error):
    """Told before anything is cut or ordered."""
    with pytest.raises(error):
        site.deploy_model(**{"model": whole.model, "devices": ["d1"], **arguments})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"segment": 5}, BadArgumentError),
        ({"segment": "nothing"}, BadArgumentError),
        ({"device": ["d1"]}, BadIdError),
        ({"name": 3}, BadIdError),
        ({"link": "0=tcp"}, CodedError),
        ({"serve": f"127.0.0.1:{free_port()}x"}, BadArgumentError),
    ],
)
def test_wrong_deploys_of_a_segment(site, whole, arguments, error):
    """The same."""
    segment = whole.folder / "segments" / whole.manifest.segments[0].name
    with pytest.raises(error):
        site.deploy_submodel(**{"segment": segment, "device": "d1", **arguments})
