"""What listens where a broker should be, and does what a real one cannot be brought to do."""

import contextlib
import socket
import threading

from wire.mqtt import packets as mqtt_packets
from wire.mqtt.packets import Packet

ACCEPTED = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}
CONNECT, PUBLISH, SUBSCRIBE, PING = 1, 3, 8, 12
PATIENCE_SECONDS = 60.0


class Connection:
    """One client's connection, as the broker has it."""

    def __init__(self, sock, number):
        self.sock = sock
        self.number = number
        """From 0."""
        self._reader = mqtt_packets.Reader()
        self._packets = []

    def next(self):
        """Return the client's next packet; None: it closed."""
        while not self._packets:
            data = self.sock.recv(1 << 20)
            if not data:
                return None
            self._packets += self._reader.feed(data)
        return self._packets.pop(0)

    def send(self, data):
        """Send bytes."""
        self.sock.sendall(data)

    def publish(self, topic, payload):
        """Pass a message on, in MQTT 5."""
        self.send(mqtt_packets.publish_front("5", topic, len(payload)) + payload)

    def accept(self, topics=1, accepted=ACCEPTED["5"]):
        """Accept the client and its subscriptions."""
        assert self.next().kind == CONNECT
        self.send(accepted)
        for _ in range(topics):
            self.acknowledge()

    def acknowledge(self, code=0):
        """Answer the next subscription."""
        packet = self.next()
        assert packet.kind == SUBSCRIBE
        self.send(b"\x90\x04" + packet.body[:2] + b"\x00" + bytes((code,)))

    def serve(self):
        """Answer pings until the client goes; returns its messages and whether it said goodbye."""
        messages = []
        while isinstance(packet := self.next(), Packet):
            match packet.kind:
                case mqtt_packets.PUBLISH:
                    messages.append(mqtt_packets.message("5", packet))
                case mqtt_packets.DISCONNECT:
                    return messages, True
                case kind if kind == PING:
                    self.send(b"\xd0\x00")
        return messages, False


class ScriptedBroker:
    """Runs ``script(connection)`` in a thread for each client; the connection ends with it."""

    def __init__(self, script):
        self.connections = 0
        self.results = []
        """What each script returned, or raised."""
        self._script = script
        self._sockets = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._serve)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _start(self, call, *arguments):
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE_SECONDS)
            self._sockets.append(sock)
            self.connections += 1
            self._start(self._one, Connection(sock, self.connections - 1))

    def _one(self, connection):
        try:
            self.results.append(self._script(connection))
        except Exception as error:
            self.results.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
