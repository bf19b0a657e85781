"""Enrichment as one generated function over a batch: contexts that are at hand, then derived fields.

In: events, and for each source what is known by key. Out: the events with their `enrichment`, and those that wait for a key that is not
at hand. Rule of the file: one pass over the events, and no call for a context that is known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from engine.event import Event
from engine.ports import Context
from engine.rules.derived import DerivedWriter
from engine.rules.emitter import Emitter
from engine.rules.matching import TextMemory
from engine.rules.model import Path, Ruleset, Source
from engine.rules.plan_events import single_member
from engine.rules.values import DERIVED, ENRICHMENT, STATUS, follow

FRESH: Final = "fresh"

Hands = Sequence[Mapping[str, Context]]
Enrich = Callable[[Sequence[Event], Hands, "Enriched"], None]


@dataclass(slots=True)
class Enriched:
    """What one pass came to. `fresh` and `others` have an entry for each source: contexts found fresh, and the other statuses.

    `waiting` holds the events of which a key is not at hand: nothing of them is counted, and they are as they were. `with_context`
    counts events for which some source was asked, `errors` has what computing derived fields raised.
    """

    fresh: list[int]
    others: list[list[str]]
    waiting: list[Event] = field(default_factory=list)
    with_context: int = 0
    errors: list[Exception] = field(default_factory=list)

    @classmethod
    def of(cls, sources: int) -> "Enriched":
        """Nothing yet, for this many sources."""
        return cls([0] * sources, [[] for _ in range(sources)])


def compile_enrichment(ruleset: Ruleset, texts: TextMemory | None = None) -> Enrich:
    """A function that puts `enrichment` on the events of a batch: contexts, `derived` and `status`.

    Contexts are taken from one mapping for each source, in the order of the ruleset. An event that has to wait gets nothing. Tests of texts
    remember in `texts`.
    """
    emitter = Emitter("enrichment", texts)
    sources = list(ruleset.enrichment.sources.values())
    for index in range(len(sources)):
        emitter.line(f"at_hand_{index} = hands[{index}]")
        emitter.line(f"fresh_{index} = 0")
        emitter.line(f"others_{index} = enriched.others[{index}]")
    emitter.line("with_context = 0")
    with emitter.block("for event in events:"):
        _write_event(emitter, ruleset, sources)
    for index in range(len(sources)):
        emitter.line(f"enriched.fresh[{index}] += fresh_{index}")
    emitter.line("enriched.with_context += with_context")
    return cast("Enrich", emitter.function("events", "hands", "enriched"))


def key_reader(source: Source) -> Callable[[Mapping[str, object]], str | None]:
    """The key that an event gives a source: text or a whole number; None where it has none."""
    steps = source.lookup.steps

    def read(data: Mapping[str, object]) -> str | None:
        key = follow(data, steps)
        return key if type(key) is str else str(key) if type(key) is int else None

    return read


def _write_event(emitter: Emitter, ruleset: Ruleset, sources: Sequence[Source]) -> None:
    emitter.line("data = event.data")
    for index, source in enumerate(sources):
        emitter.line(f"key = {_read(emitter, source.lookup)}")
        with emitter.block("if type(key) is not str:"):
            emitter.line("key = str(key) if type(key) is int else None")
        emitter.line(f"found_{index} = None")
        with emitter.block("if key is not None:"):
            emitter.line(f"found_{index} = at_hand_{index}.get(key)")
            with emitter.block(f"if found_{index} is None:"):
                emitter.line("enriched.waiting.append(event)")
                emitter.line("continue")
    emitter.line("contexts = {}")
    emitter.line("status = {}")
    for index, source in enumerate(sources):
        with emitter.block(f"if found_{index} is not None:"):
            _write_context(emitter, index, emitter.bind(source.name, "source"))
    with emitter.block("if status:"):
        emitter.line("with_context += 1")
    emitter.line(f"derived = contexts[{emitter.bind(DERIVED, 'member')}] = {{}}")
    emitter.line(f"contexts[{emitter.bind(STATUS, 'member')}] = status")
    emitter.line(f"data[{emitter.bind(ENRICHMENT, 'member')}] = contexts")
    if ruleset.enrichment.derived:
        with emitter.block("try:"):
            DerivedWriter(emitter, ruleset).write_all()
        with emitter.block("except Exception as error:"):
            emitter.line("enriched.errors.append(error)")


def _write_context(emitter: Emitter, index: int, name: str) -> None:
    emitter.line(f"value, word = found_{index}")
    with emitter.block("if value is not None:"):
        emitter.line(f"contexts[{name}] = value")
    emitter.line(f"status[{name}] = word")
    with emitter.block(f"if word == {emitter.bind(FRESH, 'fresh')}:"):
        emitter.line(f"fresh_{index} += 1")
    with emitter.block("else:"):
        emitter.line(f"others_{index}.append(word)")


def _read(emitter: Emitter, path: Path) -> str:
    member = single_member(path)
    if member:
        return f"data.get({emitter.bind(member, 'member')})"
    return f"{emitter.bind(follow, 'follow')}(data, {emitter.bind(path.steps, 'steps')})"
