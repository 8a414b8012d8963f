"""A topic of the site's broker: one message of JSON for each frame, for whoever subscribes."""

from typing import Final, Self

from paceline.output import json_line
from paceline.sink_errors import SinkError
from paceline.sinks import Entry, SinkOptions
from wire.errors import LinkDownError

MAX_TOPIC_BYTES: Final = 1024
CONFIRM_EVERY: Final = 64
"""Messages of QoS 1 on their way at most."""
CONFIRM_SECONDS: Final = 5.0


class MqttSink:
    """Publishes answers. A broker that is away costs those of that time; they are counted."""

    def __init__(self, topic: str, options: SinkOptions) -> None:
        self.unsent = 0
        self._topic = topic
        self._options = options
        self._unconfirmed = 0

    @classmethod
    def open(cls, where: str, options: SinkOptions) -> Self:
        """Return the sink; see ``Sink``."""
        check_topic(where, options.root)
        return cls(where, options)

    def write(self, entry: Entry) -> None:
        """Publish one message; see ``Sink``."""
        self._unconfirmed += 1
        confirm = self._options.qos and self._unconfirmed >= CONFIRM_EVERY
        try:
            self._options.session.publish(
                self._topic,
                json_line(entry.record).encode(),
                self._options.qos,
                confirm_seconds=CONFIRM_SECONDS if confirm else None,
            )
        except LinkDownError:
            self.unsent += 1
        if confirm:
            self._unconfirmed = 0

    def close(self) -> None:
        """Do nothing: the site's connection sends what it took before it ends."""


def check_topic(topic: str, root: str) -> None:
    """Check that answers may be published there.

    Raises:
        SinkError: It is no topic, or one of the site's own.
    """
    problem = None
    if not topic or len(topic.encode(errors="replace")) > MAX_TOPIC_BYTES:
        problem = f"a topic has 1 to {MAX_TOPIC_BYTES} bytes"
    elif not topic.isprintable() or any(c in topic for c in "+#"):
        problem = "a topic to publish to has no wildcards (+ #) and no control characters"
    elif topic.startswith("$"):
        problem = "topics that begin with $ are the broker's own"
    elif topic.split("/", maxsplit=1)[0] == root:
        problem = f"topics below {root}/ are Paceline's own"
    if problem is not None:
        raise SinkError(f"mqtt:{topic:.200}", problem, "name another, such as mqtt:site/answers")


PLUGIN = MqttSink
