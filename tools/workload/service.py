"""`rulemill bench`, with the servers that it asks for started on this machine.

usage: service.py [what `rulemill bench` takes]

Redis answers no write before it is on the disk; Kafka is one broker. Both share the machine with the service and its load.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from engine.cli.ending import clear_up_at_sigterm, ended
from engine.cli.main import main
from tools.servers.faults import CannotRun
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer


def with_servers(arguments: list[str]) -> int:
    """Start what is asked for, measure, and stop it; returns the exit code."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rulemill-bench-")))
        pids = []
        if _asked(arguments, "--store", "redis"):
            redis = stack.enter_context(RedisServer(place / "redis"))
            os.environ["REDIS_ADDRESS"] = redis.address
            with redis.client() as client:
                pids.append(f"--pid=redis={client.info('server')['process_id']}")
        if _asked(arguments, "--egress", "kafka"):
            kafka = stack.enter_context(Kafka(place / "kafka"))
            os.environ.update({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_CREATE_TOPICS": "true"})
            pids.append(f"--pid=kafka={kafka.brokers[0].pid}")
        return main(["bench", *arguments, *pids])


def _asked(arguments: list[str], option: str, value: str) -> bool:
    return f"{option}={value}" in arguments or (option, value) in pairwise(arguments)


if __name__ == "__main__":
    clear_up_at_sigterm()
    try:
        sys.exit(ended(lambda: with_servers(sys.argv[1:])))
    except CannotRun as why:
        sys.exit(f"tools/bench: {why}")
