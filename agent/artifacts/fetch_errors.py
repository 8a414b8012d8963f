"""Why a segment could not be fetched."""

from typing import ClassVar

from wire.errors import CodedError


class ArtifactMismatchError(CodedError):
    """A downloaded file is not the one its manifest describes."""

    code = "artifact.digest_mismatch"
    retryable = True
    exit_code: ClassVar[int] = 8

    def __init__(self, segment: str, *, expected: str, actual: str) -> None:
        super().__init__(segment, expected, actual)
        self.segment = segment
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return (
            f"segment {self.segment}: sha256 is {self.actual[:12]}, manifest says"
            f" {self.expected[:12]}; download discarded, serve the files that were split"
        )


class ArtifactSizeError(CodedError):
    """The origin has something of another size under the digest."""

    code = "artifact.wrong_size"
    retryable = True

    def __init__(self, segment: str, *, expected_bytes: int, got: str) -> None:
        super().__init__(segment, expected_bytes, got)
        self.segment = segment
        self.expected_bytes = expected_bytes
        self.got = got

    def __str__(self) -> str:
        return (
            f"segment {self.segment}: the origin sends {self.got}, manifest says"
            f" {self.expected_bytes} bytes; download discarded, let artifacts.origin lead to where"
            " the split is served (`paceline deploy --serve`)"
        )


class ArtifactUnreachableError(CodedError):
    """The origin did not give the file, however often it was asked."""

    code = "artifact.unreachable"
    retryable = True
    exit_code: ClassVar[int] = 6

    def __init__(self, origin: str, reason: str, *, attempts: int) -> None:
        super().__init__(origin, reason, attempts)
        self.origin = origin
        self.reason = reason
        self.attempts = attempts

    def __str__(self) -> str:
        return (
            f"origin {self.origin}: no file after {self.attempts}"
            f" {'attempt' if self.attempts == 1 else 'attempts'} ({self.reason});"
            " start what serves the artifacts, or correct artifacts.origin"
        )


class ArtifactNotServedError(ArtifactUnreachableError):
    """Nothing listens at the origin, or what does has no such file: somebody must act first."""

    code = "artifact.not_served"


class ArtifactRefusedError(CodedError):
    """The origin answered with something that is never followed or accepted."""

    code = "artifact.refused"
    exit_code: ClassVar[int] = 6

    def __init__(self, origin: str, answer: str) -> None:
        super().__init__(origin, answer)
        self.origin = origin
        self.answer = answer

    def __str__(self) -> str:
        return (
            f"origin {self.origin}: {self.answer};"
            " let artifacts.origin name the server that has the files itself"
        )


class ArtifactRedirectError(ArtifactRefusedError):
    """The origin sent us elsewhere; an assignment must not choose where a device connects."""

    code = "artifact.redirected"


class FetchCancelledError(CodedError):
    """The fetch was told to end; what was downloaded is kept."""

    code = "fetch.cancelled"
    retryable = True

    def __init__(self, segment: str) -> None:
        super().__init__(segment)
        self.segment = segment

    def __str__(self) -> str:
        return f"segment {self.segment}: fetch cancelled; it is taken up where it ended"
