"""Sizes of dynamic dimensions, as the command line takes them."""

from fleet.errors import BadRequestError


def dimension(text: str) -> tuple[str, int]:
    """Return the name and the size in ``NAME=N``.

    Raises:
        BadRequestError: It is something else.
    """
    name, equals, size = text.rpartition("=")
    if not (name and equals and size.isascii() and size.isdigit() and len(size) < 10):
        raise BadRequestError(f"--dim {text}", "is not NAME=N")
    return name, int(size)
