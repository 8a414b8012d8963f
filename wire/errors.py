"""The root of every error this project raises on purpose, and the errors of `wire` itself.

An error has a stable `code` (`noun.problem`), keeps what went wrong as attributes, and prints
`<subject>: <what is wrong> (<got>, <expected>); <what to do>`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class CodedError(Exception):
    """Base of every error raised on purpose."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    """Whether trying again without changing anything may succeed."""
    exit_code: ClassVar[int] = 1
    """What the command line exits with when nobody handles it."""


class BadIdError(CodedError):
    """A name does not fit where it would become part of a topic or a path."""

    code = "id.malformed"
    exit_code = 3

    def __init__(self, what: str, got: object) -> None:
        super().__init__(what, got)
        self.what = what
        self.got = got

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.got!r:.80} is no valid id (1 to 48 of a-z 0-9 _ -,"
            " beginning with a letter or digit); choose another name"
        )


class BadTopicError(CodedError):
    """A topic is not one of ours."""

    code = "topic.malformed"

    def __init__(self, topic: str, problem: str) -> None:
        super().__init__(topic, problem)
        self.topic = topic
        self.problem = problem

    def __str__(self) -> str:
        return f"topic {self.topic!r:.200}: {self.problem}; message ignored"


class MessageError(CodedError):
    """Bytes on a topic are not the message that belongs there."""

    code = "message.malformed"
    exit_code = 3

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(kind, problem)
        self.kind = kind
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.kind} message: {self.problem}; message ignored"


class SignatureError(CodedError):
    """A signed message is not signed by a key that is trusted here."""

    code = "signature.refused"
    exit_code = 8

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(subject, problem)
        self.subject = subject
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}; nothing changed"


class ManifestError(CodedError):
    """`pipeline.json` is not a manifest of a schema we know."""

    code = "manifest.malformed"
    exit_code = 3

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source = source
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}; split the model again or correct the file"


class MqttPacketError(CodedError):
    """What a broker sent is no MQTT that we understand."""

    code = "mqtt.malformed"

    def __init__(self, got: str) -> None:
        super().__init__(got)
        self.got = got

    def __str__(self) -> str:
        return f"broker: it sent {self.got}, which is no MQTT; is this a broker's port?"


class FrameError(CodedError):
    """The bytes are not a frame of our protocol version."""

    code = "frame.malformed"

    def __init__(self, problem: str, *, at_byte: int = 0) -> None:
        super().__init__(problem, at_byte)
        self.problem = problem
        self.at_byte = at_byte

    def __str__(self) -> str:
        return f"frame: {self.problem} at byte {self.at_byte}; frame dropped"


class ReassemblyError(CodedError):
    """Chunks do not make a frame, or would take more memory than is allowed."""

    code = "chunk.refused"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"chunk: {self.problem}; chunk dropped"


class CreditError(CodedError):
    """A frame was sent without credit: a bug in us."""

    code = "credit.exceeded"

    def __init__(self, hop: int, size_bytes: int) -> None:
        super().__init__(hop, size_bytes)
        self.hop = hop
        self.size_bytes = size_bytes

    def __str__(self) -> str:
        return (
            f"hop {self.hop:016x}: no credit for a frame of {self.size_bytes} bytes;"
            " please report this"
        )


class LaneFullError(CodedError):
    """A lane has as many senders as it remembers, and one more came."""

    code = "lane.full"
    retryable = True

    def __init__(self, max_senders: int) -> None:
        super().__init__(max_senders)
        self.max_senders = max_senders

    def __str__(self) -> str:
        return (
            f"lane: {self.max_senders} senders use it now, as many as it remembers; try later, or"
            " feed the pipeline by fewer clients"
        )


class TensorSpecError(CodedError):
    """Tensors are not those that the segment or the pipeline takes."""

    code = "frame.wrong_tensors"
    exit_code = 3

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; frame refused"


class UnknownPluginError(CodedError):
    """No plugin file of that name."""

    code = "plugin.unknown"
    exit_code = 3

    def __init__(self, package: str, name: str, known: Sequence[str]) -> None:
        super().__init__(package, name, known)
        self.package = package
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 memory that hardly anybody needs

        path = self.package.replace(".", "/")
        nearest = get_close_matches(self.name, self.known, n=1)
        meant = f"did you mean {nearest[0]!r}? else add" if nearest else "correct the name or add"
        return (
            f"{self.package}: no plugin {self.name!r:.80} (known: {', '.join(self.known)});"
            f" {meant} {path}/{self.name:.80}.py"
        )


class BadUrlError(CodedError):
    """A broker address cannot be understood."""

    code = "config.bad_url"
    exit_code = 3

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url = url
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"broker URL {self.url!r:.200}: {self.problem};"
            " write it like mqtt://localhost:1883 or mqtts://host:8883?protocol=3.1.1"
        )


class BrokerUnreachableError(CodedError):
    """No broker answered."""

    code = "broker.unreachable"
    retryable = True
    exit_code = 6

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"broker {self.address}: no connection ({self.reason});"
            " start a broker there, or name another with --broker or PACELINE_BROKER_URL"
        )


class LinkDownError(CodedError):
    """A frame could not be handed to the link because it is not connected."""

    code = "link.down"
    retryable = True

    def __init__(self, link: str) -> None:
        super().__init__(link)
        self.link = link

    def __str__(self) -> str:
        return f"link {self.link}: not connected; the frame was not sent"


class BrokerRefusedError(CodedError):
    """The broker answered, and will not have us."""

    code = "broker.refused"
    exit_code = 8

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"broker {self.address}: refused us ({self.reason});"
            " check user, password file and the broker's access rules"
        )


class AccessFileError(CodedError):
    """A file that says who we are, or whom we trust, cannot be used."""

    code = "access.file_unusable"
    exit_code = 3

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem
        self.reason = f"{path}: {problem}"

    def __str__(self) -> str:
        return f"{self.reason}; name another file, or repair it and its permissions"
