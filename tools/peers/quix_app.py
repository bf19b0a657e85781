"""The job as an application of Quix Streams: state by key for copies, five windows that are written once they are closed.

usage: quix_app.py DATA OUT BROKER INPUT OUTPUT LAST, with DATA as for `plain_program.py`: reads the topic INPUT, which is keyed by user and has one
partition, up to the message of offset LAST; sends records to OUTPUT, and those of a route to `OUTPUT.ROUTE`. OUT gets `aggregates.ndjson` and the state.
Guarantee and changelog topics are the library's defaults: at least once, and on.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import orjson
from quixstreams import Application

from tools.peers import job

# Twice what events come late by. What is later than its window and this is left out, and windows stay open for as long.
_GRACE: Final = timedelta(seconds=10)
_ROUTES: Final = ("premium-analytics", "onboarding")
# What windows look at. Each branch gets a copy of its own of the value, so it had better be a small one.
_MEASURED: Final = (
    "event_type",
    "user_id",
    "item_id",
    "jurisdiction",
    "response_time_ms",
    "is_correct",
    "items_attempted",
    "duration_ms",
)


def _is_fresh(event: job.Event, state: Any) -> bool:
    key = job.claim_key(event)
    if state.exists(key):
        return False
    state.set(key, 1, ttl=timedelta(seconds=job.claim_ttl_s(event)))
    return True


def _measured(event: job.Event) -> job.Event:
    return {name: event[name] for name in _MEASURED if name in event}


def _fold(name: str, events: Any, out: IO[bytes]) -> None:
    """Windows of a group that is small: the window keeps it as it is."""
    aggregation = job.AGGREGATIONS[name]
    _write(
        name,
        _window(name, events).reduce(aggregation.fold, lambda event: aggregation.fold(aggregation.new(), event)),
        aggregation.row,
        out,
    )


def _count_people(name: str, events: Any, out: IO[bytes]) -> None:
    """Windows of distinct users: each user of a window is a key of the state, and the window only counts those who are new.

    A set in the window would be read and written whole with each event.
    """
    aggregation = job.AGGREGATIONS[name]
    size = timedelta(seconds=aggregation.size_s)

    def noted(event: job.Event, _key: str, at_ms: int, _headers: object, state: Any) -> list[int]:
        member = f"{at_ms // 1_000 // aggregation.size_s}:{event['user_id']}"
        is_new = not state.exists(member)
        if is_new:
            state.set(member, 1, ttl=size + _GRACE)
        return [1, is_new, event.get("is_correct") is True]

    def added(group: list[int], one: list[int]) -> list[int]:
        return [mine + its for mine, its in zip(group, one, strict=True)]

    def row(group: list[int]) -> job.Event:
        return aggregation.row([group[0], range(group[1]), group[2]])  # of the users it takes the length

    _write(name, _window(name, events.apply(noted, stateful=True, metadata=True)).reduce(added, list), row, out)


def _window(name: str, events: Any) -> Any:
    return events.tumbling_window(timedelta(seconds=job.AGGREGATIONS[name].size_s), grace_ms=_GRACE, name=name)


def _write(name: str, window: Any, row: Callable[[list[Any]], job.Event], out: IO[bytes]) -> None:
    def write(closed: job.Event, key: str, _at_ms: int, _headers: object) -> None:
        line = {"aggregator": name, "start": closed["start"] // 1_000, "key": key, "values": row(closed["value"])}
        out.write(orjson.dumps(line) + b"\n")

    # By partition: a window is closed by whatever comes later, and not only by what has the same key.
    window.final(closing_strategy="partition").update(write, metadata=True)


def build(app: Application, source: str, output: str, rows: IO[bytes]) -> None:
    """Put the job on the application."""
    topic = partial(app.topic, key_serializer="str")
    events = app.dataframe(app.topic(source, value_deserializer="bytes", key_deserializer="str"))
    events = events.apply(job.parse).filter(lambda event: event is not None)
    events = events.set_timestamp(lambda event, *_: int(job.at(event).timestamp() * 1_000))
    events = events.filter(_is_fresh, stateful=True)
    events = events.apply(job.enrich).apply(job.apply_filters).filter(lambda event: event is not None)
    events.to_topic(topic(output))
    routed = events.filter(lambda event: len(event["routes"]) > 1)
    for route in _ROUTES:
        routed.filter(lambda event, route=route: route in event["routes"]).to_topic(topic(f"{output}.{route}"))

    small = events.apply(_measured)
    attempts = small.filter(lambda event: event["event_type"] == "attempt")
    _fold("user_hourly", attempts, rows)
    _fold("item_hourly", attempts.group_by("item_id"), rows)
    _fold("user_daily", small.filter(lambda event: event["event_type"] == "session"), rows)
    _count_people("system_5m", small.group_by(lambda _: "all", name="all"), rows)
    _count_people("jurisdiction_daily", small.group_by("jurisdiction"), rows)


def main() -> None:
    """Do the job."""
    data, out = map(Path, sys.argv[1:3])
    broker, source, output, last = sys.argv[3:7]
    job.load(data)

    def stop_after_the_last(topic: str, _partition: int, offset: int) -> None:
        if (topic, offset) == (source, int(last)):
            app.stop()

    app = Application(
        broker_address=broker,
        consumer_group=source,
        auto_offset_reset="earliest",
        state_dir=out / "state",
        producer_extra_config={"linger.ms": 20, "compression.type": "lz4"},
        on_message_processed=stop_after_the_last,
        loglevel="WARNING",
    )
    with (out / "aggregates.ndjson").open("wb") as rows:
        build(app, source, output, rows)
        app.run()


if __name__ == "__main__":
    main()
