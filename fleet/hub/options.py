"""What a hub is told when it starts."""

from dataclasses import dataclass, field

from wire.access import Access
from wire.broker_url import BrokerUrl
from wire.topics import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Where a hub listens, what it hears, and where it keeps it."""

    topics: Site
    broker: BrokerUrl
    access: Access
    """Who we are to the broker."""
    service: str = "hub"
    """The hub's id: two on one site need two."""
    listen_host: str = "127.0.0.1"
    listen_port: int = 8787
    """0: a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which browsers may call it, beside loopback's and ``listen_host``."""
    token: str | None = field(default=None, repr=False)
    """What a caller must know; None: whoever reaches it may look (loopback only)."""
    database: str
    """As SQLAlchemy takes it, such as ``sqlite:////var/lib/paceline/hub.db``."""
    max_bytes: int = 4 << 30
    """How large the database may become."""
