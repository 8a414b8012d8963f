"""Links as options of measuring commands take them: several, parted by commas."""

from fleet.errors import BadRequestError
from wire import link_names


def measured(text: str) -> tuple[str, ...]:
    """Return the links that ``text`` names, each once.

    Raises:
        BadRequestError: One is a choice of two workers, which nobody can measure.
        UnknownPluginError: There is no such link.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name in link_names.CHOICES:
            raise BadRequestError(
                f"--link {name}", "is a choice of two workers; name one of its links"
            )
    return tuple(link_names.checked(name, link_names.carriers()) for name in names)
