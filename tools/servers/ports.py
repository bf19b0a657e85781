"""Free ports for servers that must know theirs before they start."""

import random
import socket
from typing import Final

_FIRST: Final = 20_000
_LAST: Final = 32_000
"""Below the ports that systems give to outgoing connections: a server that was stopped finds its port free when it starts again."""


def free_ports(count: int) -> list[int]:
    """As many ports as asked for, all different, on which nothing listens now on 127.0.0.1."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(range(_FIRST, _LAST), k=_LAST - _FIRST):
        with socket.socket() as probe:
            if len(ports) == count:
                break
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports
