"""Which rules are in service, since when, and which were refused; and the same as JSON.

In: what the reloader decides. Out: attributes for metrics, objects for HTTP. Rule of the file: nothing is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.event import JsonObject
from engine.operations.rules_on_disk import Attempt
from engine.rules.changes import Changes, Difference
from engine.rules.compiler import Contents
from engine.rules.diagnostics import Finding
from engine.rules.plan import Plan
from engine.rules.reports import excerpts, human, report
from engine.rules.times import format_time


@dataclass(frozen=True, slots=True)
class ActiveRules:
    """The rules in service. `origin` is `directory`, or `last_good` where the service started from the copy it had kept."""

    plan: Plan
    contents: Contents
    findings: Sequence[Finding]
    loaded_ms: int
    origin: str = "directory"


@dataclass(frozen=True, slots=True)
class RejectedRules:
    """Rules that were not taken. `problem` says why where there are no findings. `text` is the report for people, `excerpts` are those of the findings."""

    mark: str
    findings: Sequence[Finding]
    files: int
    at_ms: int
    text: str
    problem: str = ""
    excerpts: Sequence[str] = ()

    @property
    def reason(self) -> str:
        """One line."""
        if self.problem:
            return self.problem
        errors = [finding for finding in self.findings if finding.severity == "error"]
        where = errors[0].span
        first = f"{where.file}:{where.line}:{where.col}: {errors[0].code} {errors[0].message}"
        return first if len(errors) == 1 else f"{first}; and {len(errors) - 1} more"


def rejected_rules(attempt: Attempt, now_ms: int) -> RejectedRules:
    """What became of an attempt that came to nothing."""
    compiled = attempt.compiled
    text = f"{attempt.problem}\n" if attempt.problem else human(compiled.findings, compiled.sources)
    lines = excerpts(compiled.findings, compiled.sources)
    return RejectedRules(attempt.mark, compiled.findings, len(compiled.sources), now_ms, text, attempt.problem, lines)


@dataclass(frozen=True, slots=True)
class Replaced:
    """The ruleset that was in service before, by its id, and what is otherwise since."""

    ruleset: str
    changes: Changes


@dataclass(slots=True)
class ReloadState:
    """What is in service, and how the last attempt to change it went.

    `rejected` is the last attempt's, None where it succeeded. `accepted` and `refused` count attempts that found other contents
    than before; `last_success_ms` is when rules were last put in service or found to be what is in service, None before the first time. `replaced`
    is None where no others have been in service.
    """

    active: ActiveRules
    rejected: RejectedRules | None
    last_attempt_ms: int
    last_success_ms: int | None
    accepted: int = 0
    refused: int = 0
    keep_problem: str | None = None
    replaced: Replaced | None = None

    @property
    def successful(self) -> bool:
        """Whether the last attempt succeeded: what the rules directory says is what is in service."""
        return self.rejected is None

    def reasons(self) -> list[str]:
        """Why the service is not all that it should be, as far as rules go."""
        reasons = []
        if self.rejected is not None:
            copy = "the copy of " if self.active.origin == "last_good" else ""
            reasons.append(f"rules: refused, {copy}`{self.active.plan.id}` goes on: {self.rejected.reason}")
        if self.keep_problem is not None:
            reasons.append(f"rules: no copy was kept: {self.keep_problem}")
        return reasons


def state_as_json(state: ReloadState, directory: str) -> JsonObject:
    """As `GET /rules` answers it."""
    active, rejected = state.active, state.rejected
    return {
        "ruleset": active.plan.id,
        "digest": active.plan.ruleset.digest,
        "loaded_at": format_time(active.loaded_ms),
        "origin": active.origin,
        "directory": directory,
        "files": list(active.contents.files),
        "sections": sections(active.plan),
        "findings": findings_as_json(active.findings),
        "rejected": None if rejected is None else rejected_as_json(rejected),
        "replaced": None if state.replaced is None else _replaced_as_json(state.replaced),
        "reload": {
            "successful": state.successful,
            "last_attempt_at": format_time(state.last_attempt_ms),
            "last_success_at": None if state.last_success_ms is None else format_time(state.last_success_ms),
            "accepted": state.accepted,
            "refused": state.refused,
        },
    }


def rejected_as_json(rejected: RejectedRules) -> JsonObject:
    """The findings as `validate-rules --format json` gives them, each with its line, and when and why."""
    told = report(rejected.findings, rejected.files, rejected.excerpts)
    return {"at": format_time(rejected.at_ms), "reason": rejected.reason, **told}


def sections(plan: Plan) -> JsonObject:
    """What a plan has, by section."""
    ruleset = plan.ruleset
    return {
        "event_types": list(ruleset.events.types),
        "deduplication": list(ruleset.deduplication),
        "sources": list(ruleset.enrichment.sources),
        "derived": list(ruleset.enrichment.derived),
        "filters": [{"id": rule.id, "mode": rule.mode} for rule in ruleset.filters],
        "routes": list(ruleset.routes),
        "aggregations": [{"id": name, "state": aggregation.state_id} for name, aggregation in plan.aggregations.items()],
    }


def changes_as_json(changed: Changes) -> JsonObject:
    """What a reload changes. An aggregation whose state is `kept` counts on; one that is `reset` begins anew."""
    states = changed.aggregations
    return {
        "filters": _difference(changed.filters),
        "aggregations": {
            "added": list(states.added),
            "removed": list(states.removed),
            "reset": list(states.changed),
            "kept": list(states.same),
        },
        "sources": _difference(changed.sources),
        "deduplication": _difference(changed.deduplication),
    }


def findings_as_json(findings: Sequence[Finding]) -> object:
    """Each finding as `validate-rules --format json` gives it."""
    return report(findings, 0)["findings"]


def _replaced_as_json(replaced: Replaced) -> JsonObject:
    return {"ruleset": replaced.ruleset, "changes": changes_as_json(replaced.changes)}


def _difference(parts: Difference) -> JsonObject:
    return {"added": list(parts.added), "removed": list(parts.removed), "changed": list(parts.changed)}
