"""What became of the mutants, for people.

In: the mutants that were tried, and the survivors. Out: text that ends with a line break. Rule of the file: a survivor says where, what could be
otherwise without a test that fails, and what such a test needs.
"""

from collections.abc import Iterator

from engine.rules.explanations import place
from engine.trials.mutants.mutant import Mutant
from engine.trials.mutation import Mutation


def mutation_report(mutation: Mutation) -> str:
    """Each survivor, and the numbers."""
    lines = [line for mutant in mutation.survivors for line in survivor_lines(mutant)]
    return "".join(f"{line}\n" for line in (*lines, *_total(mutation)))


def survivor_lines(mutant: Mutant) -> Iterator[str]:
    """A mutant that no test fails for."""
    yield f"SURVIVED  {place(mutant.span)}: {mutant.rule_id}: {mutant.change}"
    yield f"  no test fails; add {mutant.hint}"


def _total(mutation: Mutation) -> Iterator[str]:
    alive = len(mutation.survivors)
    killed = f"{len(mutation.tried) - alive} of {len(mutation.tried)} killed"
    yield f"mutants: {killed}, {alive} survived" if alive else f"mutants: {killed}"
    if mutation.untried:
        yield f"{mutation.untried} mutants were not tried in the time there was; give more with `--mutate-seconds`"
