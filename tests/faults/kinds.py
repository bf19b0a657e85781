"""The faults there are: each does its harm at this moment, and has mended it when it returns.

Rule of the file: what a fault does is decided by the numbers it is given alone, so that a seed names a run; when it meets which event is for the
machine to say.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from tests.acceptance.processes import Service
from tests.faults.instances import Site, status

_WHOLE: Final = 0.3
"""The share of kills that are of a whole instance: its supervisor is killed, and its workers find themselves alone."""


class Fault(NamedTuple):
    """`reason` is how a line of `reasons` in the status begins that must be seen at least once when this fault was done.

    `loses`: the store forgets what it had acknowledged, so that less is promised.
    """

    do: Callable[[Site, random.Random], None]
    reason: str | None
    loses: bool = False


def _kill(site: Site, chance: random.Random) -> None:
    instance = chance.choice(site.instances)
    if chance.random() < _WHOLE:
        instance.kill()
        time.sleep(chance.uniform(0, 1))
        instance.start()
    else:
        with suppress(ProcessLookupError):
            os.kill(_worker(instance, chance), signal.SIGKILL)


def _zombie(site: Site, chance: random.Random) -> None:
    """A worker stands still for two leases, while others take over what it holds, and then goes on as if nothing had been."""
    pid = _worker(chance.choice(site.instances), chance)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2 * site.lease_s + chance.uniform(0, 1))
        os.kill(pid, signal.SIGCONT)


def _redis_pause(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    node.pause()
    site.outage(chance, 1.5, 1.5 + site.lease_s)
    node.resume()


def _redis_restart(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    node.kill()
    site.outage(chance, 1, 2)
    node.start()


def _redis_empty(site: Site, chance: random.Random) -> None:
    node = chance.choice(site.nodes)
    node.kill()
    node.lose_data()
    time.sleep(chance.uniform(0, 2))
    node.start()


def _kafka_stop(site: Site, chance: random.Random) -> None:
    """All brokers are gone at once."""
    for broker in site.kafka.brokers:
        broker.kill()
    site.outage(chance, 2, 4)
    site.kafka.mend()


def _broker(site: Site, chance: random.Random) -> None:
    """One broker is gone; of several, the others go on."""
    chance.choice(site.kafka.brokers).kill()
    site.outage(chance, 3, 6)
    site.kafka.mend()


def _topic(site: Site, chance: random.Random) -> None:
    """The topic takes no records: the right to write to it is gone for a while."""
    site.allow_writing(allowed=False)
    site.outage(chance, 2, 4)
    site.allow_writing(allowed=True)


def _rights(site: Site, chance: random.Random) -> None:
    """As `topic`, and a worker stands still meanwhile: the producer that it begins anew with gets no identity."""
    site.allow_writing(allowed=False)
    _zombie(site, chance)
    site.outage(chance, 1, 2)
    site.allow_writing(allowed=True)


def _terminate(site: Site, chance: random.Random) -> None:
    instance = chance.choice(site.instances)
    code = instance.terminate()
    assert code == 0, f"SIGTERM under load: exit code {code}\n{instance.log[-2000:]}"
    instance.start()


def _worker(instance: Service, chance: random.Random) -> int:
    """The process of a worker that runs; one that has died is being replaced."""
    while not (each := status(instance)["workers"]["each"]):
        time.sleep(0.1)
    return int(each[chance.choice(sorted(each))]["pid"])


FAULTS: Final = {
    "kill": Fault(_kill, None),
    "zombie": Fault(_zombie, "workers"),
    "redis-pause": Fault(_redis_pause, "store"),
    "redis-restart": Fault(_redis_restart, "store"),
    "redis-empty": Fault(_redis_empty, "store", loses=True),
    "kafka-stop": Fault(_kafka_stop, "egress"),
    "broker": Fault(_broker, None),
    "topic": Fault(_topic, "egress"),
    "rights": Fault(_rights, "egress"),
    "term": Fault(_terminate, None),
}
"""By the name that the command knows them under."""
