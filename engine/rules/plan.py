"""The plan: a ruleset compiled, immutable, shared by every batch of its generation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.event import Event, FilterCounts
from engine.rules.aggregation_codegen import AggregationCode, compile_aggregations
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.codegen import compile_filters, write_filters
from engine.rules.enrichment_codegen import Enrich, compile_enrichment
from engine.rules.matching import TextMemory
from engine.rules.model import Ruleset
from engine.rules.plan_events import EventPlan, compile_events

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """The ruleset and the functions it became. `id` names it in records, answers and dead letters; `texts` is what its tests of texts remember."""

    id: str
    ruleset: Ruleset
    events: EventPlan
    enrich: Enrich
    filter: Callable[[Sequence[Event], FilterCounts], None]
    aggregation_code: AggregationCode
    aggregations: Mapping[str, AggregationPlan]
    texts: TextMemory

    @property
    def counts_blocked(self) -> bool:
        """Whether some aggregation counts events that filters block."""
        return self.aggregation_code.counts_blocked


def make_plan(ruleset: Ruleset) -> Plan:
    """Compile a ruleset that has no errors."""
    texts = TextMemory()
    code = compile_aggregations(ruleset, texts)
    return Plan(
        ruleset.digest[:_ID_DIGITS],
        ruleset,
        compile_events(ruleset),
        compile_enrichment(ruleset, texts),
        compile_filters(ruleset, texts),
        code,
        {plan.rule.id: plan for plan in code.plans},
        texts,
    )


def rehearse(ruleset: Ruleset) -> None:
    """Do all of `make_plan` that a ruleset can make fail, for whoever wants no plan.

    Left out is what Python makes of the text of the filters, which takes as long as all the rest: it refuses nothing but nesting, and the
    limits on how deep conditions and their names nest stay far below its own.
    """
    compile_aggregations(ruleset)
    compile_events(ruleset)
    compile_enrichment(ruleset)
    write_filters(ruleset)
