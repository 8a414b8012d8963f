"""How a device's workers reach the broker for tensors, by its configuration."""

from agent.channel import BrokerAccess
from agent.config import Config


def of(config: Config) -> BrokerAccess:
    """Return what workers are told; secrets are paths."""
    broker = config.data_broker or config.broker
    username = broker.username
    if username is None and broker.password_file is not None:
        username = config.device
    return BrokerAccess(
        url=broker.url,
        username=username,
        password_file=broker.password_file,
        ca_file=broker.ca_file,
        client_cert_file=broker.client_cert_file,
        client_key_file=broker.client_key_file,
        max_packet_bytes=broker.max_packet_bytes,
    )
