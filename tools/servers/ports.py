"""Free ports for servers that must know theirs before they start.

In: how many. Out: ports. Rule of the file: a port that was given out stays with the process that asked as long as that lives, whether its
server runs or not; nobody else who asks here gets it.
"""

import random
import socket
from itertools import islice
from typing import Final

from tools.servers.faults import CannotRun
from tools.servers.turns import claim

_FIRST: Final = 20_000
_LAST: Final = 32_000
"""Below the ports that systems give to outgoing connections: a server that was stopped finds its port free when it starts again."""


def free_ports(count: int, *, apart: int = 0) -> list[int]:
    """As many ports as asked for, all different, on which nothing listens now on 127.0.0.1.

    Where a server has a second port, so far `apart` from its first, that is free as well. Raises CannotRun where there are too few.
    """
    candidates = random.SystemRandom().sample(range(_FIRST, _LAST - apart), k=_LAST - _FIRST - apart)
    free = (port for port in candidates if all(map(_is_ours, {port, port + apart})))
    ports = list(islice(free, count))
    if len(ports) < count:
        raise CannotRun(f"of the ports from {_FIRST} to {_LAST}, {len(ports)} are free, and {count} are needed")
    return ports


def _is_ours(port: int) -> bool:
    """Whether it is free, and nobody else gets it from now on."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0 and claim(f"port-{port}")
