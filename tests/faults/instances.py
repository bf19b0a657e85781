"""The whole as it is run: two instances of `rulemill serve --workers 2` over one Redis and one Kafka.

In: servers that run. Out: instances that serve, and a watch on what they say of themselves. Rule of the file: nothing is mocked, and
every instance has a directory of its own, as on a machine of its own.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import Event, write_rules
from tests.acceptance.windows import emitting
from tests.servers.kafka import make_topic, values
from tools.servers.kafka import USERS, Kafka
from tools.servers.redis import RedisCluster, RedisServer

INSTANCES: Final = 2
WORKERS: Final = 2
LOSS: Final = "store: it has lost acknowledged writes"
"""What an instance says of a store that forgot what it had acknowledged."""

_LOOK_S: Final = 0.2
_USER: Final = "stranger"
"""Who may do nothing but what `allow_writing` gives."""

_IDENTITIES: Final = "      ids: {distinct: id, exact: true}\n"
"""A measure of which a commit writes what is new, and only now and then all there is."""

_ENDED: Final = ("accepted", "duplicate", "blocked", "rejected", "retry", "in_flight")


@dataclass(frozen=True)
class Site:
    """Everything that faults can be done to. `windows` is the topic of closed windows, empty where none are published.

    With `outage_s`, servers that are stopped stay so for that long, whatever the kind of fault has as its own.
    """

    instances: list[Service]
    redis: RedisServer | RedisCluster
    kafka: Kafka
    topic: str
    windows: str
    lease_s: float
    outage_s: float | None = None

    def outage(self, chance: random.Random, least_s: float, most_s: float) -> None:
        """Wait for as long as a server is to be away: between these times, or as the site says."""
        own_s = chance.uniform(least_s, most_s)
        time.sleep(own_s if self.outage_s is None else self.outage_s)

    @property
    def nodes(self) -> list[RedisServer]:
        """The servers that have the state between them."""
        return self.redis.masters if isinstance(self.redis, RedisCluster) else [self.redis]

    def records(self) -> list[Event]:
        """Everything that is on the topic now."""
        return [json.loads(value) for value in values(self.kafka.bootstrap, self.topic)]

    def closed_windows(self) -> list[Event]:
        """Everything that is on the topic of closed windows now."""
        return [json.loads(value) for value in values(self.kafka.bootstrap, self.windows)]

    def allow_writing(self, *, allowed: bool) -> None:
        """Give the instances the right to write to the topics, or take it away."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        for topic in filter(None, (self.topic, self.windows)):
            for operation in (AclOperation.WRITE, AclOperation.DESCRIBE):
                kind = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{_USER}", "*", operation)
                if allowed:
                    right = AclBinding(*kind, AclPermissionType.ALLOW)
                    admin.create_acls([right])[right].result(TIMEOUT_S)
                elif operation == AclOperation.WRITE:
                    same = AclBindingFilter(*kind, AclPermissionType.ALLOW)
                    admin.delete_acls([same])[same].result(TIMEOUT_S)


@contextmanager
def site(
    directory: Path,
    redis: RedisServer | RedisCluster,
    kafka: Kafka,
    lease_s: float,
    *,
    compact: bool = False,
    emit: bool = False,
    outage_s: float | None = None,
) -> Iterator[Site]:
    """Instances that serve. With `on_store_failure: reject`, since `pass` promises less while the store is away.

    `compact` keeps claims compactly, and `emit` publishes closed windows. Topics have a replica on each of up to three brokers.
    """
    replicas = min(len(kafka.brokers), 3)
    in_sync = str(max(1, replicas - 1))
    topic, windows = (
        make_topic(kafka.bootstrap, 3, replicas, min_insync_replicas=in_sync) if wanted else "" for wanted in (True, emit)
    )
    variables = {
        "EVENT_PROCESSOR_WORKERS": str(WORKERS),
        "EVENT_PROCESSOR_LEASE": f"{round(lease_s * 1000)}ms",
        "STATE_STORE": "redis",
        "REDIS_ADDRESS": redis.address,
        "REDIS_CLUSTER": str(isinstance(redis, RedisCluster)).lower(),
        "REDIS_CLAIMS": "compact" if compact else "exact",
        "REDIS_PREFIX": topic,
        "REDIS_TIMEOUT": "800ms",
        "EVENT_EGRESS": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.sasl_bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "sasl_plaintext",
        "KAFKA_SASL_USERNAME": _USER,
        "KAFKA_SASL_PASSWORD": USERS[_USER],
        "KAFKA_TOPIC": topic,
    }
    with ExitStack() as stack:
        instances: list[Service] = []
        made = Site(instances, redis, kafka, topic, windows, lease_s, outage_s)
        made.allow_writing(allowed=True)
        for number in range(INSTANCES):
            place = directory / f"instance-{number}"
            place.mkdir(parents=True)
            rules = write_rules(place / "rules") / "rules.yaml"
            text = rules.read_text().replace("ttl: 24h}", "ttl: 24h, on_store_failure: reject}")
            rules.write_text(text.replace("    measures:\n", f"    measures:\n{_IDENTITIES}"))
            if emit:
                emitting(rules, topic=windows, late="{allow: 0s, then: count}")
            instances.append(stack.enter_context(Service(place, **variables)))
        yield made


def status(instance: Service, patience_s: float = TIMEOUT_S) -> dict[str, Any]:
    """What an instance says of itself; asked again where the worker that was asked died meanwhile."""
    give_up_s = time.monotonic() + patience_s
    while True:
        try:
            shown: dict[str, Any] = httpx.get(f"{instance.url}/processor/status", timeout=2).raise_for_status().json()
        except (httpx.TransportError, httpx.HTTPStatusError):
            if time.monotonic() > give_up_s:
                raise
            time.sleep(_LOOK_S)
        else:
            return shown


class Watch(threading.Thread):
    """Asks every instance again and again how it is. `reasons` counts what was said by its first word; `unbalanced` are ledgers that do not balance.

    `losses` counts how often an instance said that the store has lost writes, which the next start of the instance takes back.
    """

    def __init__(self, instances: list[Service]) -> None:
        super().__init__(daemon=True)
        self.looks = 0
        self.losses = 0
        self.reasons: Counter[str] = Counter()
        self.unbalanced: list[Event] = []
        self.unready: Counter[int] = Counter()
        self._instances = instances
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            for instance in self._instances:
                with suppress(httpx.TransportError):  # it, or the worker that was asked, is gone
                    self._look(instance)

    def stop(self) -> None:
        self._stopping.set()
        self.join(TIMEOUT_S)

    def _look(self, instance: Service) -> None:
        response = httpx.get(f"{instance.url}/processor/status", timeout=2)
        if response.status_code == 200:
            shown = response.json()
            self.looks += 1
            self.reasons.update(reason.split(":")[0] for reason in shown["reasons"])
            self.losses += LOSS in shown["reasons"]
            ledger = shown["ledger"]
            if ledger["received"] != sum(ledger[name] for name in _ENDED):
                self.unbalanced.append(ledger)
        ready = httpx.get(f"{instance.url}/readyz", timeout=2)
        self.unready.update([ready.status_code] if ready.status_code != 200 else [])
