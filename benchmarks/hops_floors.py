"""The floors of `benchmarks/hops.py`: blocking sockets, and the least of an MQTT client."""

# ruff: noqa: ARG002, RUF012 ends are alike

import socket
import threading

import numpy as np

from wire import broker_url


def tensor(setup):
    return np.random.default_rng(0).integers(0, 256, setup.size_bytes, np.uint8)


def thread(target, *arguments):
    threading.Thread(target=target, args=arguments, daemon=True).start()


def broker_of(setup):
    url = broker_url.parse(setup.broker.url)
    return url.host, url.port


def send_all(sock, buffers):
    """Send buffers with as few calls as it takes; none is joined or copied."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    while views:
        sent = sock.sendmsg(views)
        while views and sent >= views[0].nbytes:
            sent -= views.pop(0).nbytes
        if sent:
            views[0] = views[0][sent:]


def receive_into(sock, view):
    """Fill a view; False: the other side has gone."""
    at = 0
    while at < view.nbytes:
        got = sock.recv_into(view[at:])
        if not got:
            return False
        at += got
    return True


class RawSender:
    family = socket.AF_INET

    def __init__(self, setup):
        self.array = tensor(setup)
        self.sock = socket.socket(self.family)
        self.sock.connect(self.address(setup.meeting["at"]))
        no_delay(self.sock)

    def address(self, at):
        return tuple(at)

    def send(self, sequence):
        send_all(self.sock, [self.array.nbytes.to_bytes(8, "little"), self.array])

    def close(self):
        self.sock.close()


class RawReceiver:
    family, where = socket.AF_INET, ("127.0.0.1", 0)

    def __init__(self, setup, decoded):
        listener = socket.socket(self.family)
        listener.bind(self.where)
        listener.listen(1)
        at = listener.getsockname()
        self.meeting = {"at": at.decode() if isinstance(at, bytes) else at}
        thread(self.receive, listener, decoded)

    def receive(self, listener, decoded):
        sock, _ = listener.accept()
        no_delay(sock)
        head = memoryview(bytearray(8))
        while receive_into(sock, head):
            array = np.empty(int.from_bytes(head, "little"), np.uint8)
            receive_into(sock, array.data)
            decoded(array)

    def close(self):
        pass


class RawUnixSender(RawSender):
    family = socket.AF_UNIX

    def address(self, at):
        return at.encode()


class RawUnixReceiver(RawReceiver):
    family, where = socket.AF_UNIX, ""


def no_delay(sock):
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def length(number):
    """Return MQTT's variable length."""
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (128 if number else 0))
        if not number:
            return bytes(made)


class RawMqtt:
    """MQTT 3.1.1 with QoS 0, as little of it as carries frames."""

    def __init__(self, setup, end):
        self.sock = socket.create_connection(broker_of(setup))
        no_delay(self.sock)
        self.topic = f"{setup.name}/frame".encode()
        client = f"{setup.name}-{end}".encode()
        said = b"\x00\x04MQTT\x04\x02\x00\x00" + len(client).to_bytes(2, "big") + client
        self.sock.sendall(b"\x10" + length(len(said)) + said)
        self.packet()

    def subscribe(self):
        asked = b"\x00\x01" + len(self.topic).to_bytes(2, "big") + self.topic + b"\x00"
        self.sock.sendall(b"\x82" + length(len(asked)) + asked)
        self.packet()

    def publish(self, array):
        rest = 2 + len(self.topic) + array.nbytes
        head = b"\x30" + length(rest) + len(self.topic).to_bytes(2, "big") + self.topic
        send_all(self.sock, [head, array])

    def packet(self):
        """Return a frame's payload in fresh memory; None: the broker has gone."""
        byte = memoryview(bytearray(1))
        if not receive_into(self.sock, byte):
            return None
        size, shift = 0, 0
        while True:
            receive_into(self.sock, byte)
            size |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
        front = 2 + len(self.topic)
        memory = np.empty(size + 64, np.uint8)
        at = -(memory.ctypes.data + front) % 64  # so that the payload can be any tensor
        body = memory[at : at + size]
        receive_into(self.sock, body.data)
        return body[front:]


class RawMqttSender:
    def __init__(self, setup):
        self.array = tensor(setup)
        self.mqtt = RawMqtt(setup, "s")

    def send(self, sequence):
        self.mqtt.publish(self.array)

    def close(self):
        self.mqtt.sock.close()


class RawMqttReceiver:
    meeting = {}

    def __init__(self, setup, decoded):
        self.mqtt = RawMqtt(setup, "r")
        self.mqtt.subscribe()
        thread(self.receive, decoded)

    def receive(self, decoded):
        while (body := self.mqtt.packet()) is not None:
            decoded(body)

    def close(self):
        pass
