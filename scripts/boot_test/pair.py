"""Runs inside each of two booted machines: stages on them reach each other directly, off the host.

The first has the broker, the client and the test. The second has an agent alone.
"""

import socket
import ssl
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from cable import Cable, Way, is_tls_1_3
from place import HERE, Place, keep_journal, ready, say, try_all, until

from wire import clock
from wire.direct import certificate, pinned

FIRST, SECOND = sys.argv[2:]
"""Addresses of the machines."""
BROKER_PORTS = (1883, 8788)
"""Of the broker, and where segments are fetched."""
OWN_FILE = Path("/var/lib/paceline/direct.pem")
ENDED = HERE / "ended"
"""Made by who booted both, when the first has ended."""
LONGEST_SECONDS = 390.0


def both(place: Place) -> None:
    """Both agents are there, each on a machine of its own."""
    until(lambda: {*place.info} == {"d1", "d2"} and (HERE / "clock-d2").exists())
    say("both agents are at the broker", sorted(place.info), holds={*place.info} == {"d1", "d2"})
    clocks = clock.clock_id(), (HERE / "clock-d2").read_text()
    say("they are two machines to each other", clocks, holds=clocks[0] != clocks[1])
    shown = [pinned.der(place.info[device].certificate) for device in ("d1", "d2")]
    evidence = [len(one or b"") for one in shown]
    holds = all(shown) and shown[0] != shown[1]
    say("each tells a certificate of its own (bytes)", evidence, holds=holds)


def one_edge(place: Place) -> None:
    """Between the stages directly, with all else at the broker."""
    cable = Cable("eth0")
    place.deploy("direct", "d1", "d2", link="0=direct")
    _streamed(place, "direct", 4, {"d1": {"d2": "tcp"}})
    at = {key[1:]: count for key, count in place.frames.items() if key[0] == "direct"}
    holds = at.get(("DATA", "d1"), 0) >= 20 and at.get(("RESULT", ""), 0) >= 20
    say("the broker sees what enters and what is answered", at, holds=holds)
    tensors = {kind for kind, device in at if device == "d2"} & {"DATA", "CHUNK"}
    say("it sees no tensor from stage to stage", tensors or "none", holds=not tensors)
    streams = cable.streams()
    direct = _direct(streams)
    said = [f"{w.source}:{w.source_port} > {w.target}:{w.target_port}" for w in direct]
    evidence = [f"{way}, {len(streams[w])} bytes" for way, w in zip(said, direct, strict=True)]
    holds = [(way.source, way.target) for way in direct] == [(FIRST, SECOND)]
    say("one connection from machine to machine", evidence, holds=holds)
    tls = [is_tls_1_3(streams[way], streams[way.back]) for way in direct]
    say("it is TLS 1.3: two hellos, and all else encrypted", tls, holds=tls == [True])
    inner, answer = (np.full(8, factor * 19, np.float32).tobytes() for factor in (2, 4))
    clear = [sum(tensor in sent for sent in streams.values()) for tensor in (inner, answer)]
    evidence = f"the hop's last tensor: {clear[0]}; the last answer, by MQTT: {clear[1]}"
    say("streams on the cable that hold it in the clear", evidence, holds=clear == [0, 1])
    for way in direct:
        _door(place, way)


def both_edges(place: Place) -> None:
    """There and back, with the client on the first machine: no tensor is at the broker at all."""
    place.deploy("loop", "d1", "d2", "d1", link="direct")
    _streamed(place, "loop", 8, {"d1": {"d2": "tcp"}, "d2": {"d1": "tcp"}})
    own = place.heard("loop")
    tensors = {"DATA", "RESULT", "CHUNK"} & {*own}
    say("the broker sees no tensor of it", dict(own), holds=bool(own) and not tensors)


def _streamed(place: Place, name: str, factor: int, links: dict[str, dict[str, str]]) -> None:
    told = place.run_as_nobody(name, factor)
    say(f"{name}: frames are right", told, holds=told["right"] == told["submitted"])
    until(lambda: place.links.get(name) == links)
    said = place.links.get(name)
    say(f"{name}: telemetry says how they go", said, holds=said == links)


def _direct(streams: dict[Way, bytes]) -> list[Way]:
    """Return the connections that are not to the broker, from who began them."""
    others = [way for way in streams if not {*BROKER_PORTS} & {way.source_port, way.target_port}]
    return [way for way in others if streams[way][5:6] == b"\x01"]


def _door(place: Place, way: Way) -> None:
    """Who answers at the port shows the second's certificate, and takes the first's alone."""
    assigned = pinned.der(place.info["d2"].certificate)
    assert assigned
    with _connected(way, OWN_FILE, assigned) as tls:
        shown = tls.version(), pinned.shown(tls) == assigned
        evidence = f"{shown}, {tls.cipher()}; without a proof: {_ended(tls)}"
    say(
        "that port shows the certificate that d2's agent told",
        evidence,
        holds=shown == ("TLSv1.3", True),
    )
    stranger = HERE / "stranger.pem"
    stranger.write_bytes(certificate.new("d1"))
    with _connected(way, stranger, assigned) as tls:
        evidence = _ended(tls)
    say("it takes no other certificate than d1's", evidence, holds="ALERT" in evidence)


def _connected(way: Way, own_file: Path, assigned: bytes) -> ssl.SSLSocket:
    sock = socket.create_connection((way.target, way.target_port), 5)
    return pinned.sending(own_file, assigned).wrap_socket(sock)


def _ended(tls: ssl.SSLSocket) -> str:
    """Return how a connection ends on which nothing is said."""
    try:
        return f"closed, {tls.recv(1)!r}"
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def second() -> None:
    """Tell this machine's clock, and leave its journal when the first has ended."""
    (HERE / "clock-d2").write_text(clock.clock_id())
    until(ENDED.exists, LONGEST_SECONDS)
    keep_journal("journal-d2.txt")


if sys.argv[1] == "d1":
    try_all(Place(FIRST), (ready, both, one_edge, both_edges))
else:
    second()
