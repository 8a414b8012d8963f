"""A broker that speaks TLS alone and asks everybody for a certificate: agents, workers, people."""

import os

import numpy as np
import pytest

import paceline
from paceline import cli
from paceline.demo import broker_kinds
from paceline.demo.processes import Child
from tests.system.certificates import Authority
from tests.system.conftest import missing
from tests.system.place import MAX_PACKET_BYTES, Place, free_port, until
from wire.access import Access
from wire.errors import BrokerUnreachableError


class TlsBroker:
    """A mosquitto: ``url`` on loopback for the test's own ear, ``tls`` for everybody else."""

    def __init__(self, folder):
        if reason := missing(broker_kinds.MOSQUITTO):
            pytest.skip(reason)
        self.authority = Authority(folder, "authority")
        certificate, key = self.authority.issue("localhost")
        plain, port = free_port(), free_port()
        self.url, self.tls = f"mqtt://127.0.0.1:{plain}", f"mqtts://localhost:{port}"
        config = broker_kinds.mosquitto_config(plain, root=os.geteuid() == 0)
        config += (
            f"listener {port} 127.0.0.1\ncafile {self.authority.file}\ncertfile {certificate}\n"
            f"keyfile {key}\nrequire_certificate true\n"
        )
        file = folder / "mosquitto.conf"
        file.write_text(config)
        (*program, flag) = broker_kinds.find(broker_kinds.MOSQUITTO).program
        self._child = Child([*program, flag, str(file)], log=folder / "mosquitto.log")

    def stop(self):
        """Stop it."""
        self._child.stop()


@pytest.fixture
def tls_place(tmp_path):
    """A site whose devices are reached by TLS alone."""
    broker = TlsBroker(tmp_path)
    place = Place(tmp_path, broker)
    yield place
    place.end()
    broker.stop()


def access(place, name, authority=None):
    """Return the settings of somebody with a certificate of that authority."""
    certificate, key = (authority or place.broker.authority).issue(name)
    return {
        "ca_file": str(place.broker.authority.file),
        "client_cert_file": str(certificate),
        "client_key_file": str(key),
    }


def options(settings):
    """Return settings as options of the command line."""
    named = ((f"--{name.replace('_', '-')}", value) for name, value in settings.items())
    return [token for pair in named for token in pair]


def test_frames_and_orders_travel_by_tls_with_client_certificates(
    tls_place, whole, tmp_path, monkeypatch, capsys
):
    """Supervisor, worker and the command line each show a certificate; the answers are right."""
    place, tls = tls_place, tls_place.broker.tls
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "PACELINE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    broker = {"url": tls, "max_packet_bytes": MAX_PACKET_BYTES, **access(place, "d1")}
    place.start("d1", broker=broker)
    place.deploy(whole.folder, "d1")
    given, taken = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **whole.inputs(0))
    run = ["run", "p", "--input", str(given), "--output", str(taken), "--broker", tls]

    assert cli.run([*run, *options(access(place, "me"))]) == 0
    with np.load(taken) as answer:
        assert whole.right(0, answer)
    assert "link.connected" in (tmp_path / "d1.log").read_text()


@pytest.mark.parametrize("wrong", ["no certificate", "another authority's", "no authority"])
def test_whoever_cannot_show_or_check_a_certificate_stays_out(tls_place, wrong, tmp_path):
    """An agent goes on trying and says why, an application gets an error."""
    place = tls_place
    mine = access(place, "d1")
    if wrong == "no certificate":
        mine = {"ca_file": mine["ca_file"]}
    elif wrong == "another authority's":
        mine = access(place, "d1", Authority(tmp_path, "stranger"))
    else:
        del mine["ca_file"]
    place.start("d1", broker={"url": place.broker.tls, **mine})
    log = tmp_path / "d1.log"
    until(lambda: "broker.not_connected" in log.read_text(), "the reason")
    shown = Access(
        ca_file=mine.get("ca_file"),
        certificate_file=mine.get("client_cert_file"),
        key_file=mine.get("client_key_file"),
    )

    with pytest.raises(BrokerUnreachableError):
        paceline.connect(place.broker.tls, access=shown, timeout_seconds=1.0)
    assert place.status("d1") is None
