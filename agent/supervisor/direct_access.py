"""What workers need for direct connections: a folder for sockets, and the device's certificate.

The certificate is made once and kept in the state folder: other devices' assignments name it. When
it cannot be read it is made anew; until the next deployment, links to others then go through the
broker.
"""

import contextlib
import ssl
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from agent import durable
from agent.channel import DirectAccess
from agent.config import Config, listening
from wire import bounded
from wire.direct import certificate

log = structlog.get_logger()

CERTIFICATE_FILE: Final = "direct.pem"
SOCKET_FOLDER: Final = "direct"


class OwnAccess(NamedTuple):
    """What workers are given, and what others are told."""

    access: DirectAccess
    certificate: str
    """As ``Info.certificate``; empty: there is none."""


def opened(config: Config, state_folder: Path) -> OwnAccess:
    """Return this device's; what cannot be made or kept is logged, and done without."""
    folder = state_folder / SOCKET_FOLDER
    with contextlib.suppress(OSError):
        for left in folder.glob("*.sock"):  # of workers that were killed
            left.unlink()
    listen = listening.parsed(config.direct.listen)
    told = _certificate(state_folder / CERTIFICATE_FILE, config.device)
    access = DirectAccess(
        folder=folder,
        host=listen.host if listen else None,
        first_port=listen.first_port if listen else 0,
        last_port=listen.last_port if listen else 0,
        addresses=config.direct.addresses,
        certificate_file=state_folder / CERTIFICATE_FILE if told else None,
    )
    return OwnAccess(access, told)


def _certificate(file: Path, device: str) -> str:
    """Return the certificate in a file, made where there is none; empty: it cannot be."""
    try:
        return _kept(file)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning("certificate.found_unusable", file=str(file), reason=str(error))
    try:
        durable.write(file, certificate.new(device))
        return _kept(file)
    except (OSError, ValueError) as error:
        log.warning("certificate.not_kept", file=str(file), reason=str(error))
        return ""


def _kept(file: Path) -> str:
    """Return the certificate in a file whose key fits it.

    Raises:
        OSError: It cannot be read, or does not fit.
        ValueError: There is none.
    """
    told = certificate.told(bounded.read(file, bounded.MAX_SECRET_BYTES))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, password="")
    return told
