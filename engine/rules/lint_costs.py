"""A warning about a ruleset that may hold every event up.

In: a ruleset without errors. Out: findings. Rule of the file: the estimate is from above, and the bound far beyond what rules usually cost.
"""

from engine.rules.costs import MAX_STEPS, costs_of
from engine.rules.diagnostics import Findings
from engine.rules.model import Ruleset


def lint_costs(ruleset: Ruleset, findings: Findings) -> None:
    """Warn at the dearest rule where all together cost more than MAX_STEPS."""
    steps = costs_of(ruleset)
    total = sum(steps.values())
    if total <= MAX_STEPS:
        return
    dearest = max(steps, key=lambda rule_id: steps[rule_id])
    section, _, name = dearest.partition(".")
    span = (
        next(rule.span for rule in ruleset.filters if rule.id == name)
        if section == "filters"
        else ruleset.aggregations[name].span
    )
    message = f"the rules may cost an event {total:,} steps, of which `{name}` takes {steps[dearest]:,}"
    help = f"more than {MAX_STEPS:,} hold up every event: of many texts write patterns, `matches_any`, and of many values `in`"
    with findings.about(dearest):
        findings.add("W622", message, span, help=help)
