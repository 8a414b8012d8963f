"""The pip-installable broker in a process of its own: ``python -I -m paceline.demo.broker_child``.

rumqttd cannot be stopped from inside, and a crash of it shall not be ours.
"""

import logging
import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Serve as the rumqttd configuration file ``argv[0]`` says, until killed."""
    from iotcore import IotCoreBroker  # noqa: PLC0415 an extra

    logging.basicConfig(level=logging.WARNING)
    # rumqttd opens an error span for every packet, which its bridge to logging writes out
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    IotCoreBroker(config_path=argv[0]).run_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
