"""What a change of rules does to each part, and that what means the same is kept."""

from pathlib import Path

import pytest

from engine.rules.compiler import compile_rules
from engine.rules.consequences import Part, consequences

RULES = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {schema: answer.json}}}
deduplication: {answer: {key: id, ttl: 24h}}
enrichment:
  budget: 100ms
  sources: {person: {lookup: user, from: {file: {path: people.json}}, default: {plan: free}}}
  derived: {pace: {bucket: took, edges: [2], labels: [quick, slow]}}
routes: {review: {topic: events.review}}
lists: {plans: [free, paid]}
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 5m}
    max_keys: 100
    measures: {n: count, took: {sum: took}}
filters:
  one: {when: {person.plan: {in: {list: plans}}}, then: {allow: {mark: one}}}
  two: {when: {took: {lt: 5}}, then: {route: {to: review}}}
  three: {when: {took: {gt: 5}}, then: {allow: {mark: three}}}
"""


def fates(directory: Path, *edits: tuple[str, str], schema: str = "{}") -> dict[str, Part]:
    """What becomes of the parts that are not simply kept, by section and id."""
    new = RULES
    for before, after in edits:
        assert new.count(before) == 1, before
        new = new.replace(before, after)
    roots = []
    for name, text, document in (("a/rules", RULES, "{}"), ("b/other", new, schema)):
        root = directory / name
        root.mkdir(parents=True)
        (root / "rules.yaml").write_text(text)
        (root / "answer.json").write_text(document)
        (root / "people.json").write_text("{}")
        roots.append(root)
    plans = [compile_rules(root, {}).plan for root in roots]
    assert plans[0] is not None
    assert plans[1] is not None
    parts = consequences(plans[0], plans[1], *roots)
    return {f"{part.section}.{part.id}": part for part in parts if part.fate != "kept" or part.what}


def test_descriptions_names_of_lists_and_the_place_of_the_directory_change_nothing(tmp_path: Path) -> None:
    same = (
        ("{list: plans}", "{list: offers}"),
        ("lists: {plans:", "lists: {offers:"),
        ("window:", "description: windows\n    window:"),
    )

    assert fates(tmp_path, *same) == {}


@pytest.mark.parametrize(
    ("before", "after", "part", "fate", "what"),
    [
        ("ttl: 24h", "ttl: 1h", "deduplication.answer", "changed", ("ttl 1d -> 1h",)),
        ("key: id,", "key: [id, user],", "deduplication.answer", "reset", ("key id -> id, user",)),
        ("budget: 100ms", "budget: 200ms", "sources.person", "reset", ("budget 100ms -> 200ms",)),
        ("{plan: free}", "{plan: paid}", "sources.person", "reset", ("default",)),
        ("edges: [2]", "edges: [3]", "derived.pace", "changed", ("definition",)),
        ("topic: events.review", "topic: events.looks", "routes.review", "changed", ("topic events.review -> events.looks",)),
        ("filters:", "routing: first_match\nfilters:", "routes.routing", "changed", ("routing all_matches -> first_match",)),
        ("lt: 5", "lt: 4", "filters.two", "changed", ("when",)),
        ("mark: three", "mark: drei", "filters.three", "changed", ("then",)),
        ("  three: {", "  three: {mode: shadow, ", "filters.three", "changed", ("mode enforce -> shadow",)),
        ("[free, paid]", "[free]", "filters.one", "changed", ("when",)),
        ("  three: {", "  three: {order: -1, ", "filters.three", "changed", ("place among the filters",)),
        ("key: user, types", "key: user, ordering: {wait: 2s}, types", "events.events", "changed", ("ordering wait 0ms -> 2s",)),
        (
            "tumbling: 5m",
            "hopping: 10m, every: 5m",
            "aggregations.by_user",
            "reset",
            ("window tumbling 5m -> hopping 10m every 5m",),
        ),
        ("key: {user: user}", "key: {person: user}", "aggregations.by_user", "reset", ("key user: user -> person: user",)),
        ("{n: count, ", "{", "aggregations.by_user", "reset", ("measure `n` removed",)),
        ("{sum: took}", "{max: took}", "aggregations.by_user", "reset", ("measure `took` sum -> max",)),
        ("{sum: took}", "{sum: points}", "aggregations.by_user", "reset", ("measure `took`",)),
        ("max_keys: 100", "max_keys: 200", "aggregations.by_user", "kept", ("max_keys 100 -> 200",)),
    ],
)
def test_one_edit_has_one_consequence(
    tmp_path: Path, before: str, after: str, part: str, fate: str, what: tuple[str, ...]
) -> None:
    found = fates(tmp_path, (before, after))

    assert {name: (one.fate, one.what) for name, one in found.items()} == {part: (fate, what)}


def test_a_schema_that_says_something_else_changes_its_type(tmp_path: Path) -> None:
    found = fates(tmp_path, schema='{"type": "object"}')

    assert {name: (one.fate, one.what) for name, one in found.items()} == {"events.answer": ("changed", ("schema",))}


def test_what_comes_and_what_goes_is_said_with_what_follows(tmp_path: Path) -> None:
    found = fates(tmp_path, ("  by_user:", "  by_person:"), ("  three: {", "  four: {"))

    assert {name: (one.fate, bool(one.state), bool(one.new_state)) for name, one in found.items()} == {
        "aggregations.by_person": ("added", False, True),
        "aggregations.by_user": ("removed", True, False),
        "filters.four": ("added", False, False),
        "filters.three": ("removed", False, False),
    }
    assert "stays until its `retain` of 7d is over" in found["aggregations.by_user"].effect


def test_an_aggregation_that_is_reset_names_both_states_and_says_that_they_lie_side_by_side(tmp_path: Path) -> None:
    part = fates(tmp_path, ("tumbling: 5m", "tumbling: 1m"))["aggregations.by_user"]

    assert part.state.startswith("by_user@")
    assert part.new_state.startswith("by_user@")
    assert part.state != part.new_state
    assert "the old state lies beside the new one" in part.effect
