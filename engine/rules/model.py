"""A ruleset as written: frozen values without behaviour.

In: what `parser.py` understood of the YAML. Out: the one vocabulary that the interpreter, the code generator, the
checks and the lints share. Rule of the file: data only; every value knows the place it was written at.

Times and durations are whole milliseconds. `None` for a duration means that the limit is switched off.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from engine.rules.places import NOWHERE, Mention, Span

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Path:
    """A chain of member names and array indexes, such as `context.devices[0].os`.

    The first step names an enrichment source, or `derived`, or a member of the event. `own` is set by a leading
    `$.`: then the first step is a member of the event whatever else has that name. Inside `some` and `every` a path
    starts at the array's element, and the empty path is the element itself.
    """

    text: str
    steps: tuple[str | int, ...]
    own: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class FieldRef:
    """`{field: path}`: the value is read from the event."""

    path: Path


@dataclass(frozen=True, slots=True)
class ListRef:
    """`{list: name}`: the value is a named list of the ruleset."""

    name: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one field; the leaf of a condition.

    `value` by operator: a scalar or `FieldRef` for eq, ne, lt, lte, gt, gte, contains, starts_with, ends_with,
    matches, has; a pair for between; a tuple of scalars or a `ListRef` for in, not_in, has_any, has_all,
    matches_any, in_cidr and the `_any` and `_all` forms; a bool for exists and is_null; a duration in ms for within
    and older_than; a `Condition` for some and every (paths start at the element) and for size (the empty path is
    the number of elements). `value_spans` says where the one value stands, or each of a tuple's.
    """

    path: Path
    operator: str
    value: "Scalar | tuple[Scalar, ...] | FieldRef | ListRef | Condition"
    ignore_case: bool = False
    if_missing: Literal["match", "no_match"] | None = None
    span: Span = field(default=NOWHERE, compare=False)
    value_spans: tuple[Span, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds. A map of tests is an `All` as well."""

    items: "tuple[Condition, ...]"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    items: "tuple[Condition, ...]"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold. `none: [a, b]` is written as `All((Not(a), Not(b)))`."""

    item: "Condition"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Use:
    """A named condition of the ruleset."""

    name: str
    span: Span = field(default=NOWHERE, compare=False)


Condition = Test | All | AnyOf | Not | Use


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type. `schema` is the JSON Schema document, or None where the type has none."""

    name: str
    schema: Mapping[str, object] | None = None
    schema_file: str | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What becomes of an event that is late for the order of its key; `route` is set for action `route`."""

    action: Literal["flag", "drop", "route"] = "flag"
    route: str | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Events:
    """The `events` section: where type, time and key of an event stand, and what is asked of them."""

    type: Path
    time: Path
    key: Path | None
    wait_ms: int = 0
    late: LatePolicy = LatePolicy()
    max_future_ms: int | None = 300_000
    max_past_ms: int | None = 2_592_000_000
    unknown_types: Literal["reject", "pass"] = "reject"
    types: Mapping[str, EventType] = field(default_factory=dict)
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Deduplication:
    """How copies of one event type are recognised, for how long, and what a failure means.

    `retries_ms` is how long senders go on sending copies, where that is said; it changes nothing but what is warned of.
    """

    event_type: str
    key: tuple[Path, ...]
    ttl_ms: int
    on_conflict: Literal["flag", "reject"] = "flag"
    on_store_failure: Literal["pass", "reject"] = "pass"
    retries_ms: int | None = None
    span: Span = field(default=NOWHERE, compare=False)


MAX_WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One place to ask: kind `file`, `http`, `sql`, `redis` or a plug-in's, and its settings.

    A plug-in's are as written; the others have their defaults filled in, and durations are in ms.
    """

    kind: str
    settings: Mapping[str, object]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Cache:
    """How answers of a source are kept. `refresh_ahead` is a share of the TTL; None switches a part off."""

    local_ttl_ms: int | None = None
    local_max_entries: int = 100_000
    shared_ttl_ms: int | None = None
    negative_ttl_ms: int | None = None
    stale_if_error_ms: int | None = None
    refresh_ahead: float | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a failing source is left alone, and for how long."""

    failures: int = 5
    failure_rate: float = 0.5
    window_ms: int = 60_000
    min_calls: int = 10
    open_for_ms: int = 30_000
    max_open_for_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Source:
    """An enrichment source: `chain` is `from` and then each fallback; `fields` empty means all.

    At most `max_waiting` keys are asked for at a time.
    """

    name: str
    lookup: Path
    chain: tuple[SourceSpec, ...]
    cache: Cache = Cache()
    breaker: Breaker | None = None
    fields: tuple[str, ...] = ()
    default: Mapping[str, object] | None = None
    max_waiting: int = MAX_WAITING
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Derived:
    """A computed field. Left out of the event where an input is missing or of the wrong type.

    `kind` and `args`: bucket (Path, edges, labels), difference and ratio (a, b: Path or number), hour and
    part_of_day (Path, timezone: zone name or FieldRef), jmespath (Extract).
    """

    name: str
    kind: Literal["bucket", "difference", "ratio", "hour", "part_of_day", "jmespath"]
    args: tuple[object, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Enrichment:
    """The `enrichment` section; derived fields are computed in the order written."""

    budget_ms: int = 100
    sources: Mapping[str, Source] = field(default_factory=dict)
    derived: Mapping[str, Derived] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of an aggregation.

    kind `count` (with an optional condition), `sum`, `avg`, `min`, `max`, `first`, `last`, `distinct`, `quantile`
    (q), `top` (n) read `field`; `ratio` and `difference` read two measures named in `of`; `custom` is a plug-in's,
    named in `plugin`.
    """

    name: str
    kind: str
    field: Path | None = None
    condition: Condition | None = None
    q: float | None = None
    n: int | None = None
    exact: bool = False
    of: tuple[str, str] | None = None
    plugin: str | None = None
    span: Span = dataclasses.field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Emit:
    """The final window as a record of its own, on the named route.

    Where nothing has come for `idle_ms`, event time goes on by the clock; with None it waits for events.
    """

    to: str
    on: Literal["close"] = "close"
    idle_ms: int | None = 60_000
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation. A tumbling window has `every_ms == size_ms`; panes are `every_ms` wide.

    `key` pairs the name of each part with where it is read; empty means one group for the whole system.
    `places` says where each key of its map stands. `late_then` is `count`, or the name of a route for events whose window has closed.
    """

    id: str
    key: tuple[tuple[str, Path], ...]
    size_ms: int
    every_ms: int
    measures: tuple[Measure, ...]
    max_keys: int
    when: Condition | None = None
    blocked: Literal["exclude", "include"] = "exclude"
    allow_late_ms: int = 0
    late_route: str | None = None
    retain_ms: int = 604_800_000
    on_overflow: Literal["evict", "reject"] = "evict"
    emit: Emit | None = None
    description: str = ""
    span: Span = field(default=NOWHERE, compare=False)
    places: Mapping[str, Span] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A declared destination."""

    name: str
    topic: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Allow:
    """Go on, with a mark."""

    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """The event ends here."""

    reason: str | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SendTo:
    """The action `route`: hint names the route in the record, copy sends another record, move changes the topic."""

    to: str
    mode: Literal["hint", "copy", "move"] = "hint"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Extract:
    """`{jmespath: "…"}`, and those of the fields it reads that are found in it."""

    expression: str
    paths: tuple[Path, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Transform:
    """Changes to the event, in the order remove, rename, set, hash, mask (path, characters kept at the end)."""

    set: tuple[tuple[Path, object | FieldRef | Extract], ...] = ()
    remove: tuple[Path, ...] = ()
    rename: tuple[tuple[Path, Path], ...] = ()
    hash: tuple[Path, ...] = ()
    mask: tuple[tuple[Path, int], ...] = ()


Action = Allow | Block | SendTo | Transform


@dataclass(frozen=True, slots=True)
class Rollout:
    """The share of keys, read at `by`, whose events a filter acts on: 0 to 100 percent."""

    percent: float
    by: Path


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: what it asks of an event, and what it does where the answer is yes; of those within its `rollout`, where it has one."""

    id: str
    when: Condition
    actions: tuple[Action, ...]
    description: str = ""
    mode: Literal["enforce", "shadow", "off"] = "enforce"
    order: int = 0
    span: Span = field(default=NOWHERE, compare=False)
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A test beside the rules, its body as written, and the names that it uses."""

    name: str
    body: Mapping[str, object]
    mentions: tuple[Mention, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that a rules directory says. `filters` stand in the order they run."""

    digest: str
    events: Events
    deduplication: Mapping[str, Deduplication] = field(default_factory=dict)
    enrichment: Enrichment = Enrichment()
    aggregations: Mapping[str, Aggregation] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()
    routing: Literal["all_matches", "first_match"] = "all_matches"
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    lists: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    tests: tuple[RuleTest, ...] = ()
