"""Errors of reading, preparing and writing pictures."""

from wire.errors import CodedError


class PillowMissingError(CodedError):
    """Pillow is an extra, and is not installed."""

    code = "picture.pillow_missing"
    exit_code = 3

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"pictures: Pillow cannot be imported ({self.reason});"
            " install paceline[demo] or paceline[fleet], or give the input as .npz"
        )


class PictureError(CodedError):
    """A file is no picture that we read."""

    code = "picture.unreadable"
    exit_code = 3

    def __init__(self, picture: str, problem: str) -> None:
        super().__init__(picture, problem)
        self.picture = picture
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.picture}: {self.problem}; give a PNG, JPEG, WebP, TIFF, BMP, GIF or PPM file"


class PictureTooLargeError(CodedError):
    """Decoded, the picture would take more memory than is allowed."""

    code = "picture.too_large"
    exit_code = 3

    def __init__(self, picture: str, pixels: int | None, limit: int) -> None:
        super().__init__(picture, pixels, limit)
        self.picture = picture
        self.pixels = pixels
        """None where the decoder refused without saying how many."""
        self.limit = limit

    def __str__(self) -> str:
        got = "too many pixels" if self.pixels is None else f"{self.pixels} pixels"
        return f"{self.picture}: {got} (at most {self.limit}); make it smaller"


class PictureBlockError(CodedError):
    """A manifest's ``preprocess`` block asks for what cannot be done."""

    code = "manifest.bad_preprocess"
    exit_code = 3

    def __init__(self, field: str, got: object, expected: str) -> None:
        super().__init__(field, got, expected)
        self.field = field
        self.got = got
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"preprocess.{self.field}: cannot be used (got {self.got!r:.80}, expected"
            f" {self.expected}); correct the manifest"
        )


class AnswerError(CodedError):
    """Output tensors are not what the ``postprocess`` block reads."""

    code = "manifest.bad_postprocess"
    exit_code = 3

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"postprocess.{self.field}: {self.problem}; correct the manifest"


class PictureNotWrittenError(CodedError):
    """The drawn picture cannot be saved."""

    code = "picture.not_written"
    exit_code = 3

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.path}: not written ({self.reason}); name a .png, .jpg or .webp file elsewhere"
        )
