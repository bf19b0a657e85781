"""`tools/faults`: faults over the whole, as many and as long as wanted, under a seed of one's own."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.clients import CLIENTS
from tests.faults.instances import site
from tests.faults.kinds import FAULTS
from tests.faults.run import run
from tools.servers.faults import CannotRun
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisCluster, RedisServer


def main() -> int:
    """0 where everything that was promised held, 1 where not, 2 where the servers cannot be run here."""
    parser = argparse.ArgumentParser(prog="tools/faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="names a run (default: any)")
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="how many faults (default: 50)")
    parser.add_argument("--seconds", type=float, default=240, metavar="S", help="how long they are spread over (default: 240)")
    parser.add_argument("--lease", type=float, default=3, metavar="S", help="the lease of a worker, in seconds (default: 3)")
    parser.add_argument(
        "--fault", action="append", choices=sorted(FAULTS), help="one kind of fault; can be given again (default: kill)"
    )
    parser.add_argument("--compact", action="store_true", help="claims are kept compactly (`redis.claims: compact`)")
    parser.add_argument("--emit", action="store_true", help="closed windows are published, and recounted as well")
    parser.add_argument("--cluster", action="store_true", help="three masters of a Redis Cluster instead of one server")
    parser.add_argument("--brokers", type=int, default=1, metavar="N", help="brokers of Kafka (default: 1)")
    parser.add_argument(
        "--clients", type=int, default=CLIENTS, metavar="N", help="senders, each with 20 events a request (default: 4)"
    )
    parser.add_argument(
        "--outage", type=float, metavar="S", help="how long servers that are stopped stay so (default: some seconds)"
    )
    arguments = parser.parse_args()
    _say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="rulemill-faults-", ignore_cleanup_errors=True) as place:
        try:
            with (
                (RedisCluster if arguments.cluster else RedisServer)(Path(place, "redis")) as redis,
                Kafka(Path(place, "kafka"), brokers=arguments.brokers) as kafka,
                site(
                    Path(place),
                    redis,
                    kafka,
                    arguments.lease,
                    compact=arguments.compact,
                    emit=arguments.emit,
                    outage_s=arguments.outage,
                ) as ready,
            ):
                kinds = arguments.fault or ["kill"]
                report = run(ready, arguments.seed, kinds, arguments.kills, arguments.seconds, clients=arguments.clients)
                if report.breaches:
                    Path("faults.log").write_text("\n".join(instance.log for instance in ready.instances))
        except CannotRun as why:
            sys.stderr.write(f"tools/faults: {why}\n")
            return 2
    _say(*report.lines())
    return 1 if report.breaches else 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
