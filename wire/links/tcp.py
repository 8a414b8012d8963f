"""Frames over a TCP connection of loopback; between devices, workers find each other themselves."""

import msgspec

from wire import bounded
from wire.direct import endpoint, sockets
from wire.direct.endpoint import LOOPBACK, Tcp, Way
from wire.direct.errors import EndpointError
from wire.direct.link import DirectLink, folder_of
from wire.direct.proving import Door
from wire.direct.server import Server
from wire.links import Meeting


class TcpLink(DirectLink):
    """Each address is a port, which a file in the folder names."""

    name = "tcp"

    def open(self, meeting: Meeting, address: str, door: Door) -> Server:
        """See ``DirectLink``."""
        listener = sockets.listen_tcp(LOOPBACK, 0)
        server = Server(listener, door, lambda arrival: self.welcome(address, arrival))
        offer = Tcp(addresses=(LOOPBACK,), port=server.port, host="")
        file = folder_of(meeting) / endpoint.socket_name(address)
        beside = file.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(offer))
        beside.replace(file)
        return server

    def find(self, meeting: Meeting, address: str) -> Way:
        """See ``DirectLink``."""
        file = meeting.folder / endpoint.socket_name(address)
        try:
            offer = msgspec.json.decode(bounded.read(file, 1 << 10), type=Tcp)
        except (OSError, msgspec.DecodeError) as error:
            raise EndpointError(address, f"nobody listens there ({error})") from error
        return Way("tcp", offer.addresses[0], offer.port, encrypted=False)


PLUGIN = TcpLink
