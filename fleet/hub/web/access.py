"""Who may look: a token, shown as a bearer or by a cookie that a login set; tries are limited.

The cookie holds when it ends and a digest of that, keyed by the token: it outlives a restart, and
whoever reads it cannot make another or learn the token. No I/O, no clock.
"""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

SESSION_SECONDS: Final = 7 * 86400
BURST_TRIES: Final = 5
"""Wrong tokens that one address may try at once; then one in a second."""
MAX_ADDRESSES: Final = 1024
"""Whose tries are remembered; one more, and those who tried longest ago are forgotten."""
_KEY: Final = b"paceline hub session 1\0"


@dataclass(slots=True)
class Access:
    """Decides for one hub."""

    token: str | None
    """None: everybody may look."""
    cookie_name: str = "paceline_hub"
    _tries: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """By address: tries that are left, and when that was so."""

    def knows_token(self, shown: str) -> bool:
        """Whether ``shown`` is the token; takes as long whatever it is."""
        expected = (self.token or "").encode()
        return self.token is not None and hmac.compare_digest(shown.encode(), expected)

    def may_try(self, address: str, now_seconds: float) -> bool:
        """Whether somebody there may try a token now; counts the try."""
        left, then = self._tries.pop(address, (float(BURST_TRIES), now_seconds))
        left = min(float(BURST_TRIES), left + now_seconds - then)
        allowed = left >= 1
        self._tries[address] = (left - 1 if allowed else left, now_seconds)
        while len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)
        return allowed

    def forgive(self, address: str) -> None:
        """Forget the tries from there: somebody there knows the token."""
        self._tries.pop(address, None)

    def cookie(self, now_seconds: float) -> str:
        """Return the ``Set-Cookie`` of one who knew the token."""
        ends = int(now_seconds) + SESSION_SECONDS
        return (
            f"{self.cookie_name}={ends}.{self._digest(ends)}; Max-Age={SESSION_SECONDS}; Path=/;"
            " HttpOnly; SameSite=Strict"
        )

    def knows_cookie(self, header: str, now_seconds: float) -> bool:
        """Whether a ``Cookie`` header holds one of ours that has not ended."""
        try:
            found = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return False
        ends, _, digest = (found.value if found else "").partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) < 13 and digest.isascii()):
            return False
        return hmac.compare_digest(digest, self._digest(int(ends))) and int(ends) > now_seconds

    def _digest(self, ends: int) -> str:
        key = (self.token or "").encode()
        return hmac.new(key, _KEY + str(ends).encode(), hashlib.sha256).hexdigest()
