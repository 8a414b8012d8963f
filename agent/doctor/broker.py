"""The broker: whether it is there, for us, and which it is. DNS, TCP, TLS, credentials apart."""

import contextlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.examination import broker_client
from agent.examination.broker_client import BrokerClient, NoAnswerError, RefusedError
from agent.examination.broker_talk import DIALECTS
from agent.examination.subject import Place, Subject
from wire import broker_url
from wire.access import Access
from wire.broker_url import BrokerUrl
from wire.errors import AccessFileError, CodedError
from wire.reports import Finding
from wire.session import Session

SAFE: Final = (2, 0, 23)
"""The oldest mosquitto without the faults that are named below."""
_SYS: Final = "$SYS/broker/version"
_SYS_SECONDS: Final = 1.0
_VERSION: Final = re.compile(r"mosquitto version (\d+)\.(\d+)\.(\d+)")


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield how far each configured broker lets us in."""
    for place in subject.brokers():
        for finding in one_broker(place):
            if finding.severity == "problem":
                subject.closed_brokers.add(place.broker.url)
            yield finding


def one_broker(place: Place) -> Iterator[Finding]:
    """Yield how far one broker lets us in."""
    url, access, name = broker_url.parse(place.broker.url), place.access, place.client_name
    reached = list(reach(place, url, access))
    yield from reached
    if any(finding.severity == "problem" for finding in reached):
        return
    if url.websocket:
        yield websocket(url, access, name)
        return
    answers = greeted(url, access, name)
    yield from credentials(place, url, access, answers)
    spoken = [dialect for dialect, answer in answers.items() if answer is None]
    if not spoken:
        return
    yield from dialects(place, url, answers)
    yield from version(url, spoken[0], access, name)
    yield from anonymous(url, spoken[0], access, name)


def reach(place: Place, url: BrokerUrl, access: Access) -> Iterator[Finding]:
    """Yield whether the name, the port and the encryption work; what fails is the last."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError as error:
        yield problem(
            "broker.dns",
            f"the host of {url} has no address ({error.strerror or error})",
            f"correct {place.url}, or make {url.host} known: to the DNS, or in /etc/hosts",
        )
        return
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    yield ok("broker.dns", f"{url.host} is {addresses}")
    began = time.monotonic()
    try:
        with socket.create_connection((url.host, url.port), broker_client.ANSWER_SECONDS):
            milliseconds = (time.monotonic() - began) * 1e3
    except OSError as error:
        yield problem(
            "broker.tcp",
            f"no connection to {url} ({error.strerror or error})",
            f"start the broker, let port {url.port} through the firewall, and have it listen to"
            f" more than loopback (mosquitto.conf: `listener {url.port}`); or correct {place.url}",
        )
        return
    yield ok("broker.tcp", f"connected to {url} in {milliseconds:.1f} ms")
    if not url.tls:
        return
    try:
        with broker_client.opened(url, access) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            said = f"{connection.version()}, {(connection.cipher() or ('?',))[0]}"
    except AccessFileError as error:
        yield problem("broker.tls", str(error), f"correct {place.key}.ca_file in {place.file}")
    except OSError as error:
        yield problem("broker.tls", f"no TLS with {url} ({error})", _tls_fix(place, error))
    else:
        yield ok("broker.tls", f"{said}; the certificate is trusted")


def greeted(url: BrokerUrl, access: Access, name: str) -> dict[str, Exception | None]:
    """Return the answer of `greet` for each dialect, asked for at once: one may wait in vain."""
    with ThreadPoolExecutor(len(DIALECTS)) as asking:
        answers = asking.map(lambda dialect: greet(url, dialect, access, name), DIALECTS)
        return dict(zip(DIALECTS, answers, strict=True))


def greet(url: BrokerUrl, dialect: str, access: Access, name: str) -> Exception | None:
    """Return why a broker does not accept us in a dialect; None: it does."""
    try:
        BrokerClient(url, dialect, access, name).close()
    except (OSError, CodedError) as error:
        return error
    return None


def credentials(
    place: Place, url: BrokerUrl, access: Access, answers: dict[str, Exception | None]
) -> Iterator[Finding]:
    """Yield whether the broker takes us for who we are."""
    user = f"user {access.username}" if access.username else "without a user"
    if None in answers.values():
        yield ok("broker.credentials", f"{url} accepts us ({user})")
        return
    refused = next((e for e in answers.values() if isinstance(e, RefusedError)), None)
    unusable = next((e for e in answers.values() if isinstance(e, AccessFileError)), None)
    if unusable is not None:
        fix = f"repair {unusable.path} and its permissions, or name another {place.below}"
        if "ermission" in unusable.problem:
            fix = f"sudo paceline doctor; if it says the same, {fix}"
        yield problem("broker.credentials", str(unusable), fix)
    elif refused is not None:
        yield problem(
            "broker.credentials",
            f"{url} refuses us: {refused.reason} ({user})",
            f"give the broker that user (mosquitto_passwd PASSWORDS {access.username or 'NAME'}),"
            f" and write `username` and `password_file` {place.below}",
        )
    else:
        (reason, *_) = answers.values()
        yield problem(
            "broker.credentials",
            f"{url} takes connections and does not answer ({reason})",
            "look into the broker's log; is this a broker's port, and one without TLS?"
            if not url.tls
            else "look into the broker's log; is this a broker's port?",
        )


def dialects(
    place: Place, url: BrokerUrl, answers: dict[str, Exception | None]
) -> Iterator[Finding]:
    """Yield which dialects the port speaks."""
    silent = [dialect for dialect, answer in answers.items() if answer is not None]
    if not silent:
        yield ok("broker.dialects", f"{url} speaks MQTT 5 and 3.1.1")
        return
    spoken = next(dialect for dialect in DIALECTS if dialect not in silent)
    error = answers[silent[0]]
    how = "closes without CONNACK on" if isinstance(error, NoAnswerError) else "refuses"
    said = f"{url} speaks MQTT {spoken} and {how} {silent[0]}"
    if url.protocol in silent:
        fix = f"write ?protocol={spoken} (or none: it is found out) behind {place.url}"
        yield problem("broker.dialects", said, fix)
    else:
        yield note(
            "broker.dialects",
            said,
            f"?protocol={spoken} behind {place.url} saves a failed attempt at each start",
        )


def version(url: BrokerUrl, dialect: str, access: Access, name: str) -> Iterator[Finding]:
    """Yield whether a mosquitto that says its version is an old one; others may forbid to ask."""
    heard = None
    with contextlib.suppress(OSError, CodedError), BrokerClient(url, dialect, access, name) as us:
        us.subscribe(_SYS)
        heard = us.hear(_SYS_SECONDS)
    if heard is not None:
        yield from version_told(heard.payload.decode(errors="replace"))


def version_told(text: str) -> Iterator[Finding]:
    """Yield what a broker's version is worth."""
    match = _VERSION.match(text)
    if match is None:
        yield note("broker.version", f"the broker says {text:.80}")
        return
    if tuple(map(int, match.groups())) >= SAFE:
        yield ok("broker.version", text)
        return
    yield warning(
        "broker.version",
        f"{text} is older than 2.0.23: one client can exhaust or crash it"
        " (before 2.0.16 CVE-2023-0809, CVE-2023-3592, CVE-2023-28366; later releases repair more)",
        "upgrade mosquitto to 2.0.23 or 2.1 and newer; distributions also repair older versions:"
        " `apt list --upgradable mosquitto`",
    )


def anonymous(url: BrokerUrl, dialect: str, access: Access, name: str) -> Iterator[Finding]:
    """Yield whether the broker lets anybody in."""
    stranger = Access(ca_file=access.ca_file)
    error = greet(url, dialect, stranger, name)
    if error is not None:
        yield ok("broker.anonymous", f"{url} refuses clients without credentials")
    elif is_loopback(url.host):
        yield note("broker.anonymous", f"{url} lets any program of this machine in")
    else:
        yield warning(
            "broker.anonymous",
            f"{url} lets anybody in who reaches it",
            "mosquitto.conf: `allow_anonymous false` and `password_file /etc/mosquitto/passwords`",
        )


def websocket(url: BrokerUrl, access: Access, name: str) -> Finding:
    """Return whether a session over a WebSocket comes about; the rest is not looked at."""
    session = Session(url, f"{name}{time.time_ns() % 10**9}", access=access)
    session.start()
    try:
        session.wait_up(broker_client.ANSWER_SECONDS)
    except CodedError as error:
        return problem("broker.credentials", str(error), "correct what it says")
    finally:
        session.stop()
    return ok(
        "broker.credentials",
        f"{url} accepts us, MQTT {session.dialect} in a WebSocket; more is not tried",
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, as a name or an address says."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _tls_fix(place: Place, error: OSError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"name a port that speaks TLS in {place.url}; where there is none, write mqtt:// there"
        )
    said = str(error).lower()
    if "not yet valid" in said or "expired" in said:
        return "set this machine's clock (`timedatectl`), or renew the broker's certificate"
    if "hostname" in said or "ip address mismatch" in said:
        return f"write the name that stands in the certificate in {place.url}"
    return f"name the certificate that signed the broker's with `ca_file` {place.below}"


PLUGIN = Group("Broker", findings, limit_seconds=60.0)
