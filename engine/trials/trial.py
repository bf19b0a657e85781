"""One rule test, from its first step to its verdict.

In: a plan and a test. Out: what went otherwise than expected. Rule of the file: the first expectation that does not hold ends the test, with everything
that is wrong with it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from engine.event import JsonObject
from engine.rules.model import RuleTest
from engine.rules.plan import Plan
from engine.rules.tallies import Tally, tallies
from engine.rules.verdicts import Judged, judge
from engine.trials import steps
from engine.trials.comparing import Difference
from engine.trials.expectations import emitted_differences, event_differences, filters_concerned, window_differences
from engine.trials.steps import Expect, Step
from engine.trials.world import CannotGoOn, Sent, Witness, World

_MAX_TOLD: Final = 8

Compile = Callable[[Path], Plan]
"""Compiles another rules directory. Raises CannotGoOn where its rules have errors."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not hold: at which step, of which event where there were several, what was other than wanted, and why.

    `judged` are the filters that an event's expectation is about; `tallied` says of a window's which of the events before it, by their numbers
    from 1, were counted how: a few, those that were not counted first.
    """

    step: str
    differences: list[Difference]
    judged: list[Judged] = field(default_factory=list)
    tallied: list[tuple[int, Tally]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How a test went. `error` says why it could not be run to its end; without it and a failure it passed."""

    test: RuleTest
    seconds: float
    failure: Failure | None = None
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return self.failure is None and not self.error


async def run_test(plan: Plan, test: RuleTest, compile_other: Compile, witness: Witness | None) -> Failure | None:
    """Run one test in a world of its own; the failure, or None where all was as expected.

    Raises CannotGoOn where it cannot be run to its end.
    """
    given = cast("Mapping[str, JsonObject | None]", test.body.get("given") or {})
    follows = "now" not in test.body
    async with World(plan, given, steps.start_ms(test, plan.ruleset), witness) as world:
        trial = _Trial(world, compile_other, follows_events=follows)
        for name, step in steps.steps_of(test):
            failure = await trial.take(name, step)
            if failure is not None:
                return failure
    return None


class _Trial:
    def __init__(self, world: World, compile_other: Compile, *, follows_events: bool) -> None:
        self._world = world
        self._compile = compile_other
        self._follows_events = follows_events
        self._last: list[Sent] = []

    async def take(self, name: str, step: Step) -> Failure | None:
        """Do one step; a failure where it is an expectation that does not hold."""
        match step:
            case steps.Send():
                await self._send(step)
            case steps.Advance(duration_ms):
                await self._world.advance(duration_ms)
            case steps.Expect():
                return await self._expect(name, step)
            case steps.SourceFault(words):
                for source, word in words.items():
                    self._world.fail_source(source, word)
            case steps.StoreFault(word):
                await self._world.fail_store(down=word == "down")
            case steps.EgressFault(word):
                self._world.egress.word = word
            case steps.Reload(directory):
                self._world.reload(self._compile(directory))
        return None

    async def _send(self, step: steps.Send) -> None:
        """Send the events; the clock goes on with `every`, and to the time of an event that would come before it happened."""
        world, self._last = self._world, []
        for index, event in enumerate(step.events(world.ruleset)):
            if index:
                await world.advance(step.every_ms)
            time_ms = steps.event_time_ms(event, world.ruleset)
            if self._follows_events and time_ms is not None:
                await world.advance(max(0, time_ms - world.clock.now_ms()))
            self._last.append(await world.send(event))

    async def _expect(self, name: str, step: Expect) -> Failure | None:
        await self._world.settle(list(self._world.sent.values()))
        if "aggregation" in step.wanted:
            return await self._expect_window(name, step.wanted)
        if not self._last:
            raise CannotGoOn(f"{name}: nothing was sent before it")
        return next(self._event_failures(name, step.wanted), None)

    def _event_failures(self, name: str, wanted: Mapping[str, object]) -> Iterator[Failure]:
        for number, sent in enumerate(self._last, 1):
            found = event_differences(wanted, sent)
            if found:
                which = f", event {number} of {len(self._last)}" if len(self._last) > 1 else ""
                yield Failure(name + which, found, _explained(wanted, found, sent))

    async def _expect_window(self, name: str, wanted: Mapping[str, object]) -> Failure | None:
        name_of, key = str(wanted["aggregation"]), str(wanted.get("key", ""))
        if "revision" in wanted:
            found = emitted_differences(wanted, self._world.emitted(name_of, key))
        else:
            found = window_differences(wanted, await self._world.windows(name_of, key))
        if not found:
            return None
        return Failure(name, found, tallied=_tallied(name_of, list(self._world.sent.values())))


def _tallied(aggregation: str, sent: Sequence[Sent]) -> list[tuple[int, Tally]]:
    """What the aggregation made of the events that came to the filters; those not counted first."""
    told = []
    for number, one in enumerate(sent, 1):
        if one.before is not None and one.event is not None:
            verdict = judge(one.ruleset, one.before, one.event.time_ms)
            told += [
                (number, tally) for tally in tallies(one.ruleset, verdict, one.event.time_ms) if tally.rule.id == aggregation
            ]
    told.sort(key=lambda numbered: not numbered[1].reason)
    return told[:_MAX_TOLD]


def _explained(wanted: Mapping[str, object], found: list[Difference], sent: Sent) -> list[Judged]:
    if sent.before is None or sent.event is None:
        return []
    verdict = judge(sent.ruleset, sent.before, sent.event.time_ms)
    names = filters_concerned(wanted, found, sent)
    return [judged for judged in verdict.filters if judged.rule.id in names]
