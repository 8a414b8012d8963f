"""Ends of `benchmarks/hops.py` whose frames NNStreamer's elements carry, in GStreamer pipelines.

They need PyGObject, and NNStreamer's plugins where GStreamer finds them (`GST_PLUGIN_PATH`).
"""

# ruff: noqa: ARG002, PLC0415, RUF012 ends are alike, import what is theirs, and drop arrays

import functools
import importlib.util
import os
import socket
import sys
import time

import numpy as np

from benchmarks.hops_floors import broker_of, tensor, thread

TRY_AGAIN_SECONDS = 0.05
LEFT_PLAYING = []
"""Pipelines that end with their process."""
NEVER_US = 10**12
"""Without this, mqttsrc ends when ten seconds go by without a frame."""


def gstreamer():
    """Return the module ``Gst``, ready."""
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def found(*elements):
    """Tell whether GStreamer is there, and has these elements."""
    if importlib.util.find_spec("gi") is None:
        return False
    try:
        gst = gstreamer()
    except (ImportError, ValueError):
        return False
    return all(map(gst.ElementFactory.find, elements))


@functools.cache
def keep_stdout():
    """Let what libraries print go to stderr: stdout is for what an end says."""
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


def broker_at(setup):
    return "host={} port={}".format(*broker_of(setup))


class GstSender:
    def __init__(self, setup):
        keep_stdout()
        self.gst = gstreamer()
        self.array = tensor(setup)
        self.pipeline = self.gst.parse_launch(
            f"appsrc name=frames is-live=true do-timestamp=true format=time ! {self.sink(setup)}"
        )
        self.frames = self.pipeline.get_by_name("frames")
        self.pipeline.set_state(self.gst.State.PLAYING)

    def send(self, sequence):
        if self.frames.get_property("caps") is None:
            self.frames.set_property("caps", self.caps())
        self.frames.emit("push-buffer", self.gst.Buffer.new_wrapped(self.array.tobytes()))

    def caps(self):
        return self.gst.Caps.from_string(
            "other/tensors,format=static,num_tensors=1,types=(string)uint8,framerate=0/1,"
            f"dimensions=(string){self.array.nbytes}:1:1:1"
        )

    def close(self):
        self.pipeline.set_state(self.gst.State.NULL)


class GstReceiver:
    meeting = {}

    def __init__(self, setup, decoded):
        keep_stdout()
        self.gst, self.decoded = gstreamer(), decoded
        self.pipeline = self.gst.parse_launch(
            f"{self.source(setup)} ! appsink name=frames sync=false emit-signals=true"
        )
        self.pipeline.get_by_name("frames").connect("new-sample", self.take)
        self.start()

    def start(self):
        self.pipeline.set_state(self.gst.State.PLAYING)

    def take(self, frames):
        buffer = frames.emit("pull-sample").get_buffer()
        self.decoded(np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8))
        return self.gst.FlowReturn.OK

    def close(self):
        self.pipeline.set_state(self.gst.State.NULL)


class EdgeSender(GstSender):
    def sink(self, setup):
        port = setup.meeting["port"]
        return (
            f"edgesink host=127.0.0.1 port={port} connect-type=TCP wait-connection=true sync=false"
        )


class EdgeReceiver(GstReceiver):
    """Connects to the sender, which starts later, as soon as it is there."""

    def source(self, setup):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.meeting = {"port": port}
        return f"edgesrc dest-host=127.0.0.1 dest-port={port} connect-type=TCP"

    def start(self):
        thread(self.connect)

    def connect(self):
        states = self.gst.State
        while self.pipeline.set_state(states.PLAYING) == self.gst.StateChangeReturn.FAILURE:
            self.pipeline.set_state(states.NULL)
            time.sleep(TRY_AGAIN_SECONDS)


class MqttSender(GstSender):
    def sink(self, setup):
        return f"mqttsink {broker_at(setup)} pub-topic={setup.name}/frame"

    def close(self):
        """Leave it: mqttsink may take longer to disconnect than an end is given."""
        LEFT_PLAYING.append(self.pipeline)


class MqttReceiver(GstReceiver):
    def source(self, setup):
        topic = f"{setup.name}/frame"
        return f"mqttsrc {broker_at(setup)} sub-topic={topic} sub-timeout={NEVER_US}"

    def close(self):
        """Leave it: mqttsrc would not stop before the next frame comes."""
        LEFT_PLAYING.append(self.pipeline)
