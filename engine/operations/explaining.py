"""Why the rules do to an event what they do: one event through the stages, with nothing kept.

In: an event as it would come in. Out: what each filter and each aggregation makes of it. Rule of the file: no claim, no count, no record. The
event is taken as if it came at its own time; whether it is a copy, or late, depends on others and is not looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.errors import QuestionInvalid
from engine.event import BLOCKED, OUTCOME_ACCEPTED, Event, JsonObject, Outcome, Submission
from engine.metrics import Counters
from engine.pipeline.enrich import Enricher
from engine.pipeline.generation import Generation
from engine.ports import ContextSource
from engine.rules.diagnostics import did_you_mean, shown
from engine.rules.model import Ruleset, Source
from engine.rules.plan import Plan
from engine.rules.plan_events import EventPlan
from engine.rules.tallies import Tally, tallies
from engine.rules.verdicts import Judged, Verdict, judge

Decode = Callable[[EventPlan, Submission], list[Event]]
Give = Callable[[Source, JsonObject | None], ContextSource]


@dataclass(frozen=True, slots=True)
class EventExplanation:
    """One event and the rules. `event` and `verdict` are None where it was rejected; `filters` and `tallies` are those asked for.

    `enrichment` is the event's member as filters first saw it.
    """

    ruleset: str
    id: str | None
    outcome: Outcome
    event: Event | None = None
    enrichment: JsonObject | None = None
    verdict: Verdict | None = None
    filters: tuple[Judged, ...] = ()
    tallies: tuple[Tally, ...] = ()


class Explainer:
    """Explains under the generation that `generation()` names at the time. `give` makes a source of a context that is given."""

    def __init__(self, generation: Callable[[], Generation], decode: Decode, give: Give) -> None:
        self._generation = generation
        self._decode = decode
        self._give = give

    async def explain(
        self, item: bytes | JsonObject, given: Mapping[str, JsonObject | None], rule_id: str | None = None
    ) -> EventExplanation:
        """Explain an event: its bytes, or an object as the decoder takes it.

        `given` has the contexts of sources that are not to be asked, None where one finds nothing. With `rule_id`, a filter or an
        aggregation, only that one is told of. Raises QuestionInvalid for a source or a rule that the ruleset has not.
        """
        generation = self._generation()
        plan = generation.plan
        _check_names(plan.ruleset, given, rule_id)
        submission = Submission([item], input_name="explain", received_ms=0, size_bytes=0, done=lambda _: None)
        decoded = self._decode(replace(plan.events, max_future_ms=None, max_past_ms=None), submission)
        identity = submission.ids[0]
        if not decoded:
            return EventExplanation(plan.id, identity, submission.outcomes[0] or OUTCOME_ACCEPTED)
        (event,) = decoded
        await self._enricher(generation, given).enrich([event], plan)
        return explain_seen(plan, identity, event, event.data, rule_id=rule_id)

    def _enricher(self, generation: Generation, given: Mapping[str, JsonObject | None]) -> Enricher:
        """The generation's sources but for those that are given, and counters that nobody reads."""
        known = generation.plan.ruleset.enrichment.sources
        sources = {name: self._give(known[name], value) for name, value in given.items()}
        return Enricher({**generation.enricher.sources, **sources}, Counters())


def explain_seen(
    plan: Plan, identity: str | None, event: Event, data: JsonObject, outcome: Outcome | None = None, rule_id: str | None = None
) -> EventExplanation:
    """The explanation of an event that the filters of a plan first saw as `data`.

    `outcome` is how it ended, None where only the rules can say. With `rule_id`, only that filter or aggregation is told of.
    """
    verdict = judge(plan.ruleset, data, event.time_ms)
    counted = tallies(plan.ruleset, verdict, event.time_ms)
    enrichment = data["enrichment"]
    return EventExplanation(
        plan.id,
        identity,
        outcome or _outcome(verdict),
        event,
        enrichment if isinstance(enrichment, dict) else None,
        verdict,
        tuple(judged for judged in verdict.filters if rule_id in {None, judged.rule.id}),
        tuple(tally for tally in counted if rule_id in {None, tally.rule.id}),
    )


def _outcome(verdict: Verdict) -> Outcome:
    if verdict.blocked is None:
        return OUTCOME_ACCEPTED
    code, reason = verdict.blocked
    return Outcome(BLOCKED, code, f"blocked by filter `{code}`: {reason}")


def _check_names(ruleset: Ruleset, given: Mapping[str, JsonObject | None], rule_id: str | None) -> None:
    for name in given:
        if name not in ruleset.enrichment.sources:
            raise QuestionInvalid(_unknown("source", name, list(ruleset.enrichment.sources)))
    rules = [*(rule.id for rule in ruleset.filters), *ruleset.aggregations]
    if rule_id is not None and rule_id not in rules:
        raise QuestionInvalid(_unknown("filter or aggregation", rule_id, rules))


def _unknown(what: str, name: str, known: list[str]) -> str:
    advice = did_you_mean(name, known)
    return f"there is no {what} `{shown(name)}`" + (f"; {advice}" if advice else "")
