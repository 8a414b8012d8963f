"""What is right by itself and wrong together: brokers that anybody could be, or listen to. Pure."""

from collections.abc import Iterator
from typing import Final

from agent.config import Broker, Config, Loaded
from agent.config.errors import ConfigError
from wire import broker_url

_PLAIN: Final = "its password travels unencrypted; mqtts:// encrypts it"
_OPEN: Final = (
    "no credentials and no TLS: whoever is on that network can be this device, hear its frames"
    " and send it others"
)


class InsecureBrokerError(ConfigError):
    """A broker off this machine, without credentials and without TLS."""

    code = "config.insecure"

    def __init__(self, where: str, key: str, url: str) -> None:
        super().__init__(where, key, url)
        self.where = where
        self.key = key
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.key}.url: {self.url} is not this machine, and there is neither a"
            f" password nor TLS; set {self.key}.password_file (and {self.key}.username), or use"
            " mqtts://, or write `insecure: true` for a network that you trust"
        )


class ClientCertificateError(ConfigError):
    """A client certificate that would not be used."""

    code = "config.client_certificate"

    def __init__(self, where: str, key: str, problem: str) -> None:
        super().__init__(where, key, problem)
        self.where = where
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.problem}"


def problems(loaded: Loaded) -> Iterator[ConfigError]:
    """Yield what an agent does not start with."""
    for key, broker in _brokers(loaded.config):
        url = broker_url.parse(broker.url)
        if _is_open(broker) and not loaded.config.insecure:
            yield InsecureBrokerError(_where(loaded, f"{key}.url"), key, str(url))
        if broker.client_key_file is not None and broker.client_cert_file is None:
            name = f"{key}.client_key_file"
            problem = f"a key without its certificate; set {key}.client_cert_file, too"
            yield ClientCertificateError(_where(loaded, name), name, problem)
        if broker.client_cert_file is not None and not url.tls:
            name = f"{key}.client_cert_file"
            problem = f"{url} is not encrypted, so no certificate is shown; use mqtts:// or wss://"
            yield ClientCertificateError(_where(loaded, name), name, problem)


def warnings(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (broker's URL, what is weak about it) of what an agent starts with all the same."""
    for _, broker in _brokers(config):
        url = broker_url.parse(broker.url)
        if _is_open(broker) and config.insecure:
            yield str(url), _OPEN
        elif broker.password_file is not None and not url.tls and not url.loopback:
            yield str(url), _PLAIN


def _is_open(broker: Broker) -> bool:
    url = broker_url.parse(broker.url)
    return not (url.loopback or url.tls or broker.password_file is not None)


def _brokers(config: Config) -> Iterator[tuple[str, Broker]]:
    yield "broker", config.broker
    if config.data_broker is not None:
        yield "data_broker", config.data_broker


def _where(loaded: Loaded, key: str) -> str:
    return loaded.sources.get(key, "default")
