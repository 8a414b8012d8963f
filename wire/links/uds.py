"""Frames over a Unix socket between processes of one host."""

from wire.direct import endpoint, sockets
from wire.direct.endpoint import Way
from wire.direct.link import DirectLink
from wire.direct.proving import Door
from wire.direct.server import Server
from wire.links import Meeting


class UdsLink(DirectLink):
    """Each address is a socket in the folder, by its digest."""

    name = "uds"

    def open(self, meeting: Meeting, address: str, door: Door) -> Server:
        """See ``DirectLink``."""
        listener = sockets.listen_uds(meeting.folder, address)
        return Server(listener, door, lambda arrival: self.welcome(address, arrival))

    def find(self, meeting: Meeting, address: str) -> Way:
        """See ``DirectLink``."""
        return Way("uds", str(meeting.folder / endpoint.socket_name(address)), 0, encrypted=False)


PLUGIN = UdsLink
