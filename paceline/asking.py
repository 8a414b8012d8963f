"""What the devices of a fleet say of themselves, where there is a broker to ask by."""

import socket
from typing import Final

from fleet.control.observe import Observer
from fleet.fleet_file.description import Fleet
from fleet.model_plan.reading import Infos
from paceline.connection import connected
from paceline.settings import Settings
from wire import broker_url
from wire.errors import CodedError

CONNECT_SECONDS: Final = 2.0
READY_SECONDS: Final = 2.0


def asked_infos(fleet: Fleet, settings: Settings) -> Infos:
    """Return what devices say; a broker that is not there is said in a note, and is no error."""
    url = broker_url.parse(settings.broker.url)
    try:
        socket.create_connection((url.host, url.port), CONNECT_SECONDS).close()
    except OSError:
        return Infos(notes=("no broker was reached: what devices list was not asked",))
    names = [device.id for device in fleet.devices]
    try:
        with connected(settings) as session, Observer(session, settings.topics) as seen:
            seen.watch_devices(names)
            seen.wait(lambda: all(seen.device(name).info for name in names), READY_SECONDS)
            infos = {name: seen.device(name).info for name in names}
    except CodedError as error:
        return Infos(notes=(f"what devices list was not asked: {error}",))
    found = {name: info for name, info in infos.items() if info is not None}
    silent = [name for name in names if name not in found]
    notes = (f"nothing is heard of {', '.join(silent)}: planned as described",) if silent else ()
    return Infos(devices=found, notes=notes)
