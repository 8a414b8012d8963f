"""The ends of `benchmarks/hops.py`: what one would write in a day. One end a process.

`python benchmarks/hops_child.py sender|receiver`; which one comes with the setup on stdin. Every
receiver ends up with the tensor as an array in memory of its own.
"""

# ruff: noqa: ARG002, PLC0415, RUF012 ends are alike, import what is theirs, and drop arrays

import asyncio
import http.client
import pickle
import queue
import socket
import sys
import threading
import time

import numpy as np

from benchmarks import hops_nnstreamer as nnstreamer
from benchmarks.hops_floors import (
    RawMqttReceiver,
    RawMqttSender,
    RawReceiver,
    RawSender,
    RawUnixReceiver,
    RawUnixSender,
    broker_of,
    no_delay,
    tensor,
    thread,
)
from paceline.bench.ends import run_receiver, run_sender

CONNECT_SECONDS = 10.0


def paho_client(setup, end):
    import paho.mqtt.client as paho

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"{setup.name}-{end}")
    client.on_socket_open = lambda _c, _u, sock: no_delay(sock)
    client.connect(*broker_of(setup))
    client.loop_start()
    until = time.monotonic() + CONNECT_SECONDS
    while not client.is_connected() and time.monotonic() < until:
        time.sleep(0.01)
    return client


class PahoPickleSender:
    def __init__(self, setup):
        self.array = tensor(setup)
        self.topic = f"{setup.name}/frame"
        self.client = paho_client(setup, "s")

    def send(self, sequence):
        self.client.publish(self.topic, pickle.dumps({"id": sequence, "x": self.array}), 0)

    def close(self):
        self.client.disconnect()


class PahoPickleReceiver:
    meeting = {}

    def __init__(self, setup, decoded):
        self.client = paho_client(setup, "r")
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()

        def take(_client, _userdata, message):
            decoded(pickle.loads(message.payload)["x"])

        self.client.on_message = take
        self.client.subscribe(f"{setup.name}/frame", 0)
        subscribed.wait(CONNECT_SECONDS)

    def close(self):
        self.client.disconnect()


class AiomqttSender:
    def __init__(self, setup):
        self.array = tensor(setup)
        self.topic = f"{setup.name}/frame"
        self.loop = asyncio.new_event_loop()
        self.client = self.loop.run_until_complete(self.connected(setup))

    async def connected(self, setup):
        import aiomqtt

        return await aiomqtt.Client(*broker_of(setup)).__aenter__()

    def send(self, sequence):
        self.loop.run_until_complete(self.client.publish(self.topic, self.array.tobytes(), 0))

    def close(self):
        self.loop.run_until_complete(self.client.__aexit__(None, None, None))


class AiomqttReceiver:
    meeting = {}

    def __init__(self, setup, decoded):
        self.ready = threading.Event()
        thread(lambda: asyncio.run(self.receive(setup, decoded)))
        self.ready.wait(CONNECT_SECONDS)

    async def receive(self, setup, decoded):
        import aiomqtt

        async with aiomqtt.Client(*broker_of(setup)) as client:
            await client.subscribe(f"{setup.name}/frame", 0)
            self.ready.set()
            async for message in client.messages:
                decoded(np.frombuffer(message.payload, np.uint8))

    def close(self):
        pass


class ZmqSender:
    def __init__(self, setup):
        import zmq

        self.array = tensor(setup)
        self.sock = zmq.Context.instance().socket(zmq.PUSH)
        self.sock.connect(setup.meeting["at"])

    def send(self, sequence):
        self.sock.send_multipart([b"%d" % sequence, self.array], copy=False)

    def close(self):
        self.sock.close(0)


class ZmqReceiver:
    def __init__(self, setup, decoded):
        import zmq

        self.sock = zmq.Context.instance().socket(zmq.PULL)
        port = self.sock.bind_to_random_port("tcp://127.0.0.1")
        self.meeting = {"at": f"tcp://127.0.0.1:{port}"}
        thread(self.receive, decoded)

    def receive(self, decoded):
        while True:
            _, payload = self.sock.recv_multipart(copy=False)
            decoded(np.frombuffer(payload.buffer, np.uint8))

    def close(self):
        pass


_GRPC = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GrpcSender:
    def __init__(self, setup):
        import grpc

        self.array = tensor(setup)
        self.frames = queue.SimpleQueue()
        channel = grpc.insecure_channel(setup.meeting["at"], options=_GRPC)
        grpc.channel_ready_future(channel).result(CONNECT_SECONDS)
        self.call = channel.stream_unary("/bench/frames").future(iter(self.frames.get, None))

    def send(self, sequence):
        self.frames.put(self.array.tobytes())

    def close(self):
        self.frames.put(None)


class GrpcReceiver:
    def __init__(self, setup, decoded):
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        def take(frames, _context):
            for data in frames:
                decoded(np.frombuffer(data, np.uint8))
            return b""

        handlers = {"frames": grpc.stream_unary_rpc_method_handler(take)}
        self.server = grpc.server(ThreadPoolExecutor(2), options=_GRPC)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("bench", handlers),)
        )
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.meeting = {"at": f"127.0.0.1:{port}"}

    def close(self):
        self.server.stop(0)


class HttpSender:
    def __init__(self, setup):
        self.array = tensor(setup)
        self.connection = http.client.HTTPConnection(*setup.meeting["at"])
        self.connection.connect()
        no_delay(self.connection.sock)

    def send(self, sequence):
        self.connection.request("POST", "/frame", body=self.array.data)
        self.connection.getresponse().read()

    def close(self):
        self.connection.close()


class HttpReceiver:
    def __init__(self, setup, decoded):
        import uvicorn

        async def take(_scope, receive, send):
            parts, more = [], True
            while more:
                message = await receive()
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            decoded(np.frombuffer(b"".join(parts), np.uint8))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(take, lifespan="off", log_level="critical", timeout_keep_alive=3600)
        thread(lambda: uvicorn.Server(config).run(sockets=[listener]))
        self.meeting = {"at": listener.getsockname()}

    def close(self):
        pass


ENDS = {
    "raw tcp": (RawSender, RawReceiver),
    "raw uds": (RawUnixSender, RawUnixReceiver),
    "raw mqtt": (RawMqttSender, RawMqttReceiver),
    "paho + pickle": (PahoPickleSender, PahoPickleReceiver),
    "aiomqtt": (AiomqttSender, AiomqttReceiver),
    "pyzmq": (ZmqSender, ZmqReceiver),
    "gRPC stream": (GrpcSender, GrpcReceiver),
    "HTTP (uvicorn)": (HttpSender, HttpReceiver),
    "NNStreamer edge TCP": (nnstreamer.EdgeSender, nnstreamer.EdgeReceiver),
    "NNStreamer MQTT": (nnstreamer.MqttSender, nnstreamer.MqttReceiver),
}


def main(end):
    if end == "sender":
        return run_sender(lambda setup: ENDS[setup.link][0](setup))
    return run_receiver(lambda setup, decoded: ENDS[setup.link][1](setup, decoded))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
