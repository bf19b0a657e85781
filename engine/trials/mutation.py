"""Whether the tests would notice: each mutant of the rules against the tests that it can affect.

In: a plan whose tests all pass. Out: the mutants that no test fails for. Rule of the file: a mutant is built of the plan's own parts, and only what it changes is
compiled again; it is dead at the first test that fails.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from engine.rules.aggregation_codegen import compile_aggregations
from engine.rules.codegen import compile_filters
from engine.rules.enrichment_codegen import compile_enrichment
from engine.rules.model import Ruleset, RuleTest
from engine.rules.plan import Plan
from engine.rules.plan_events import compile_events
from engine.trials.affected import Affected, Sightings
from engine.trials.bench import Bench, Surroundings
from engine.trials.mutants.every import all_mutants
from engine.trials.mutants.mutant import Mutant

Follow = Callable[[Sequence[Mutant]], Iterable[Mutant]]
"""Passes the mutants on one by one, as somebody looks on."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """What became of the mutants of one ruleset: `untried` are those that there was no time for."""

    tried: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]
    untried: int

    @property
    def passed(self) -> bool:
        """Whether every mutant was tried, and none is alive."""
        return not self.survivors and not self.untried


def try_mutants(
    plan: Plan, tests: Sequence[RuleTest], surroundings: Surroundings, limit_s: float, follow: Follow = iter
) -> Mutation:
    """Try the mutants of a plan against tests that pass under it, for at most so many seconds."""
    clock = surroundings.clock
    end_ms = clock.monotonic_ms() + limit_s * 1000
    mutants = list(all_mutants(plan.ruleset))
    tried: list[Mutant] = []
    survivors: list[Mutant] = []
    with Bench(surroundings) as bench:
        hunt = _Hunt(plan, Affected(plan, [_seen(plan, test, bench) for test in tests]), bench)
        for mutant in follow(mutants):
            if clock.monotonic_ms() >= end_ms:
                break
            tried.append(mutant)
            if not hunt.kills(mutant):
                survivors.append(mutant)
    return Mutation(tuple(tried), tuple(survivors), len(mutants) - len(tried))


def _seen(plan: Plan, test: RuleTest, bench: Bench) -> Sightings:
    sightings = Sightings(test)
    bench.run(plan, test, sightings.witness(plan.ruleset))
    return sightings


@dataclass(frozen=True, slots=True)
class _Hunt:
    """Tries mutant after mutant; the test that killed one is first to try the next, which stands beside it more often than not."""

    plan: Plan
    affected: Affected
    bench: Bench
    killers: list[str] = field(default_factory=list)

    def kills(self, mutant: Mutant) -> bool:
        """Whether some test fails under the mutant."""
        try:
            mutated = _mutated(self.plan, mutant.ruleset)
        except (TypeError, ValueError, KeyError):  # nothing that the engine would put into service: nobody can fall for it
            return True
        for test in sorted(self.affected.tests(mutant, mutated), key=self._turn):
            if not self.bench.run(mutated, test).passed:
                self._remember(test.name)
                return True
        return False

    def _turn(self, test: RuleTest) -> int:
        return -self.killers.index(test.name) - 1 if test.name in self.killers else 0

    def _remember(self, name: str) -> None:
        if name in self.killers:
            self.killers.remove(name)
        self.killers.append(name)


def _mutated(plan: Plan, ruleset: Ruleset) -> Plan:
    """The plan of a mutant. Raises what the compiler raises for rules that the parser refuses."""
    old = plan.ruleset

    def changes(*sections: str) -> bool:
        return any(getattr(old, section) is not getattr(ruleset, section) for section in sections)

    mutated = replace(plan, ruleset=ruleset)
    if changes("events", "deduplication"):
        mutated = replace(mutated, events=compile_events(ruleset))
    if changes("enrichment"):
        mutated = replace(mutated, enrich=compile_enrichment(ruleset))
    if changes("filters", "routing", "conditions", "lists"):
        mutated = replace(mutated, filter=compile_filters(ruleset))
    if changes("aggregations", "conditions", "lists"):
        code = compile_aggregations(ruleset)
        mutated = replace(mutated, aggregation_code=code, aggregations={made.rule.id: made for made in code.plans})
    return mutated
