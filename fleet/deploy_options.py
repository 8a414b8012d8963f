"""Where a pipeline goes, as the options of `paceline deploy` say it. Pure data."""

import msgspec


class DeployOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Devices, and what is between them."""

    to: str
    """One entry for each segment, parted by commas; ``d2+d3`` are replicas."""
    codec: str | None = None
    """As `fleet.edge_codecs` understands it; None: the settings say."""
    link: str | None = None
    """As `fleet.edge_links` understands it; None: the settings say."""

    runtime: str | None = None
    """As `fleet.runtime_choice` understands it; None: the best that the devices have."""

    @property
    def devices(self) -> tuple[str, ...]:
        """One for each segment."""
        return tuple(device.strip() for device in self.to.split(",") if device.strip())

    @property
    def text(self) -> str:
        """Return it as it is written in a command."""
        codec = f" --codec {self.codec}" if self.codec else ""
        link = f" --link {self.link}" if self.link else ""
        runtime = f" --runtime {self.runtime}" if self.runtime else ""
        return f"--to {self.to}{codec}{link}{runtime}"
