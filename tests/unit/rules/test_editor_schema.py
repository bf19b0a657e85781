"""The editor's schema: it takes what the parser takes, refuses usual mistakes, and knows the project's own fields."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from engine.rules.diagnostics import Findings
from engine.rules.editor_conditions import OPERATOR_HELP
from engine.rules.editor_rules import ACTION_HELP, OUTCOME_HELP, STEP_HELP, WINDOW_HELP
from engine.rules.editor_schema import SECTION_HELP, editor_schema
from engine.rules.editor_sections import DERIVED_HELP, MEASURE_HELP, SETTING_HELP, SOURCE_HELP
from engine.rules.loader import load_yaml
from engine.rules.nodes import plain_value
from engine.rules.parse_aggregations import BUILT_IN_MEASURES
from engine.rules.parse_enrichment import _KINDS_OF_DERIVED
from engine.rules.parse_filters import _ACTIONS
from engine.rules.parse_operands import OPERATORS
from engine.rules.parse_tests import _OUTCOME_KEYS, _STEPS, _WINDOW_KEYS
from engine.rules.parser import SECTIONS
from engine.rules.snapshot import read_rule_files
from engine.rules.source_settings import BUILT_IN_SOURCES

DATA = Path(__file__).parents[2] / "data" / "rules"
GOOD = sorted(path for path in (DATA / "good").iterdir())

# Faults of form, which a schema can see; the other codes need more than one place, or the meaning of a value.
FORM = {"E201", "E202", "E203", "E204", "E206", "E208", "E209", "E210", "E211"}


def read(text: str) -> object:
    findings = Findings()
    node = load_yaml("rules.yaml", text.encode(), findings)
    assert node is not None
    assert findings.in_order() == []
    return plain_value(node)


def files(directory: Path) -> Iterator[object]:
    for data in read_rule_files(directory).values():
        node = load_yaml("rules.yaml", data, Findings())
        assert node is not None
        yield plain_value(node)


def schema_of(directory: Path) -> Draft202012Validator:
    return Draft202012Validator(editor_schema(directory))


def faults(schema: Draft202012Validator, document: object) -> list[str]:
    return [f"{fault.json_path}: {fault.message}" for fault in schema.iter_errors(document)]


@pytest.fixture(scope="module")
def default(checkout: Path) -> Draft202012Validator:
    return schema_of(checkout / "rules")


def test_the_schema_is_a_schema(default: Draft202012Validator) -> None:
    Draft202012Validator.check_schema(default.schema)


def test_every_default_rule_file_is_valid(default: Draft202012Validator, checkout: Path) -> None:
    assert [fault for document in files(checkout / "rules") for fault in faults(default, document)] == []


@pytest.mark.parametrize("directory", GOOD, ids=lambda path: str(path.name))
def test_what_the_parser_takes_is_valid(directory: Path) -> None:
    schema = schema_of(directory)

    assert [fault for document in files(directory) for fault in faults(schema, document)] == []


def only_form(directory: Path) -> bool:
    report = (directory / "report.txt").read_text(encoding="utf-8")
    codes = {word for word in report.replace("[", " ").replace("]", " ").split() if word[:1] == "E" and word[1:4].isdigit()}
    return bool(codes) and codes <= FORM


BAD_FORM = sorted(path for path in (DATA / "bad").iterdir() if only_form(path))


@pytest.mark.parametrize("directory", BAD_FORM, ids=lambda path: str(path.name))
def test_faults_of_form_are_refused(directory: Path) -> None:
    schema = schema_of(directory)

    assert [fault for document in files(directory) for fault in faults(schema, document)] != []


def filters(when: str) -> str:
    return f"version: 1\nfilters: {{slow: {{when: {when}, then: {{allow: {{mark: slow}}}}}}}}\n"


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        ("{response_time_ms: {ltt: 5}}", "'ltt' was unexpected"),
        ("{response_time_ms: {contains: fast}}", "'contains' was unexpected"),
        ("{response_time_ms: fast}", "'fast' is not of type 'number', 'object'"),
        ("{response_time_ms: {lt: '5'}}", "'5' is not of type 'number', 'object'"),
        ("{user_agent: {has: curl}}", "'has' was unexpected"),
        ("{is_correct: {gt: 1}}", "'gt' was unexpected"),
        ("{event_type: atempt}", "'atempt' is not one of"),
        ("{derived.time_of_day: noon}", "'noon' is not one of"),
        ("{context: phone}", "'phone' is not of type 'object'"),
        ("{country: [DE, FR]}", "is not of type"),
        ("{timestamp: {within: 7}}", "7 is not of type 'string'"),
        ("{timestamp: {within: 7 days}}", "'7 days' does not match"),
        ("{timestamp: {gt: 2026-03-01}}", "'2026-03-01' does not match"),
        ("{'score > 5': true}", "'score > 5' does not match"),
        ("{not: {score: 1, is_correct: true}}", "has too many properties"),
        ("{any: {score: 1}}", "is not of type 'array'"),
        ("{}", "should be non-empty"),
        ("{topics: {some: {os: {gtt: 1}}}}", "'gtt' was unexpected"),
        ("{topics: {size: {contains: a}}}", "'contains' was unexpected"),
        ("{country: {in: {field: user.country}}}", "'field' was unexpected"),
    ],
)
def test_usual_mistakes_in_conditions_are_refused(default: Draft202012Validator, when: str, fault: str) -> None:
    assert any(fault in found for found in faults(default, read(filters(when))))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("filters: {}", "'version' is a required property"),
        ("version: 2", "1 was expected"),
        ("version: 1\nfilter: {}", "'filter' was unexpected"),
        ("version: 1\nevents: {max_skew: {past: 5}}", "5 is not of type 'string'"),
        ("version: 1\nevents: {ordering: {late: dropp}}", "'dropp' is not one of"),
        ("version: 1\ndeduplication: {attempt: {key: id, ttl: 24}}", "24 is not of type 'string'"),
        ("version: 1\ndeduplication: {attempt: {key: id}}", "'ttl' is a required property"),
        ("version: 1\nfilters: {a: {when: {x: 1}, then: {allow: {}}, mode: shade}}", "'shade' is not one of"),
        ("version: 1\nfilters: {a: {when: {x: 1}, then: {allow: {}, block: {}}}}", "has too many properties"),
        ("version: 1\nfilters: {a: {when: {x: 1}, then: [{blok: {}}]}}", "'blok' was unexpected"),
        ("version: 1\nenrichment: {sources: {u: {lookup: id, from: {file: {paht: a}}}}}", "'paht' was unexpected"),
        ("version: 1\nenrichment: {sources: {u: {lookup: id, from: {http: {url: http://a/b}}}}}", "does not match"),
        ("version: 1\nenrichment: {derived: {d: {bucket: x, edges: [1]}}}", "'labels' is a dependency of 'bucket'"),
        ("version: 1\nenrichment: {derived: {d: {ratio: [a, b], timezone: UTC}}}", "False schema"),
        ("version: 1\nroutes: {r: {}}", "'topic' is a required property"),
        ("version: 1\ntests: [{name: a, event: {}}]", "'expect' is a required property"),
        ("version: 1\ntests: [{name: a, steps: [{expect: {statsu: blocked}}]}]", "'statsu' was unexpected"),
    ],
)
def test_usual_mistakes_in_sections_are_refused(default: Draft202012Validator, text: str, fault: str) -> None:
    assert any(fault in found for found in faults(default, read(text)))


def aggregation(changes: str) -> str:
    return f"version: 1\naggregations: {{a: {{key: {{}}, max_keys: 1, {changes}}}}}"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ("window: {tumbling: 1h}, measures: {m: coutn}", "'count' was expected"),
        ("window: {tumbling: 1h}, measures: {m: {sum: a, avg: b}}", "has too many properties"),
        ("window: {tumbling: 1h}, measures: {m: {quantile: a}}", "'q' is a dependency of 'quantile'"),
        ("window: {hopping: 1h}, measures: {m: count}", "'every' is a required property"),
        ("window: {tumbling: 1h, every: 5m}, measures: {m: count}", "False schema"),
        ("window: {sliding: 1h}, measures: {m: count}", "'sliding' was unexpected"),
    ],
)
def test_usual_mistakes_in_aggregations_are_refused(default: Draft202012Validator, changes: str, fault: str) -> None:
    assert any(fault in found for found in faults(default, read(aggregation(changes))))


def properties(schema: Draft202012Validator) -> dict[str, dict[str, str]]:
    document = schema.schema
    assert isinstance(document, dict)
    found: dict[str, dict[str, str]] = document["$defs"]["condition"]["properties"]
    return found


def test_the_projects_own_fields_are_offered_with_what_is_known_of_them(default: Draft202012Validator) -> None:
    fields = properties(default)

    assert {"event_type", "response_time_ms", "context.device", "user.user_type", "item.difficulty"} <= fields.keys()
    assert fields["user_id"]["description"].endswith("It is text. Declared by attempt, session, placement.")
    assert fields["response_time_ms"]["$ref"] == "#/$defs/test_of_number"
    assert "looks up `user_id`" in fields["user.country"]["description"]
    assert "Computed by `part_of_day`" in fields["derived.time_of_day"]["description"]


def test_undeclared_fields_are_no_fault(default: Draft202012Validator) -> None:
    for when in ("{'devices[0].os': ios}", "{$.user.id: {exists: true}}", "{'meta.\"odd-name\"': {has: a}}"):
        assert faults(default, read(filters(when))) == []


def test_faults_in_the_rules_leave_the_fields_that_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\nevents: {type: kind, time: at, key: [], types: {a: {schema: a.json}, b: {schema: missing.json}}}\n"
        "enrichment: {sources: {user: {lookup: id, from: {nowhere: {}}, fields: [country]}}}\n"
    )
    (tmp_path / "a.json").write_text('{"type": "object", "properties": {"size of it": {"type": "integer"}}}')
    (tmp_path / "b.yaml").write_text("version: 1\nfilters: {broken")

    fields = properties(schema_of(tmp_path))

    assert {"kind", "at", '"size of it"', "user.country"} <= fields.keys()


def test_a_member_that_a_source_hides_is_offered_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\nevents: {type: kind, time: at, types: {a: {schema: a.json}}}\n"
        "enrichment: {sources: {user: {lookup: id, from: {file: {path: a.json}}}}}\n"
    )
    (tmp_path / "a.json").write_text('{"type": "object", "properties": {"user": {"properties": {"id": {"type": "string"}}}}}')

    fields = properties(schema_of(tmp_path))

    assert "$.user.id" in fields
    assert "user.id" not in fields


def test_a_member_that_no_path_can_name_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nevents: {type: kind, time: at, types: {a: {schema: a.json}}}\n")
    (tmp_path / "a.json").write_text(f'{{"type": "object", "properties": {{"{"x" * 501}": {{}}, "score": {{}}}}}}')

    assert [name for name in properties(schema_of(tmp_path)) if name.startswith("x")] == []


def test_what_a_transform_writes_can_have_any_type(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\nevents: {type: kind, time: at, types: {a: {schema: a.json}}}\n"
        "filters: {a: {when: {kind: a}, then: {transform: {set: {score: high}}}}}\n"
    )
    (tmp_path / "a.json").write_text('{"type": "object", "properties": {"score": {"type": "number"}}}')

    assert properties(schema_of(tmp_path))["score"]["$ref"] == "#/$defs/test"


def test_conditions_on_elements_are_not_held_to_the_events_fields(tmp_path: Path) -> None:
    rules = (
        "version: 1\nevents: {type: kind, time: at, types: {a: {schema: a.json}}}\n"
        "conditions: {high: {score: {starts_with: A}}}\n"
        "filters: {a: {when: {exams: {some: {use: high}}}, then: {allow: {}}}}\n"
    )
    (tmp_path / "a.yaml").write_text(rules)
    (tmp_path / "a.json").write_text(
        '{"type": "object", "properties": {"score": {"type": "number"}, "exams": {"type": "array"}}}'
    )
    schema = schema_of(tmp_path)

    assert faults(schema, read(rules)) == []
    assert faults(schema, read(rules.replace("high:", "other:"))) != []


def test_values_of_a_field_may_be_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nevents: {type: kind, time: at, types: {a: {schema: a.json}}}\n")
    (tmp_path / "a.json").write_text('{"type": "object", "properties": {"odd": {"enum": [1, true, [1], {"a": 1}, null]}}}')
    schema = schema_of(tmp_path)

    assert faults(schema, read(filters("{odd: true}"))) == []
    assert faults(schema, read(filters("{odd: 2}"))) != []


def test_every_word_of_the_language_has_a_text_and_no_other_word_has() -> None:
    assert set(SECTIONS) == set(SECTION_HELP)
    assert set(OPERATOR_HELP) == OPERATORS
    assert set(MEASURE_HELP) == set(BUILT_IN_MEASURES)
    assert set(SOURCE_HELP) == set(BUILT_IN_SOURCES)
    assert set(DERIVED_HELP) == set(_KINDS_OF_DERIVED)
    assert set(ACTION_HELP) == set(_ACTIONS)
    assert (set(STEP_HELP), set(OUTCOME_HELP), set(WINDOW_HELP)) == (set(_STEPS), set(_OUTCOME_KEYS), set(_WINDOW_KEYS))
    assert set(SETTING_HELP) == {name for kind in BUILT_IN_SOURCES.values() for name in kind.settings}


def test_every_key_has_a_text(default: Draft202012Validator) -> None:
    assert [place for place, schema in keys(default.schema, "$") if not has_text(schema)] == []


def keys(schema: object, place: str) -> Iterator[tuple[str, object]]:
    """Every schema under a `properties`, and where it stands."""
    if isinstance(schema, list):
        for at, item in enumerate(schema):
            yield from keys(item, f"{place}[{at}]")
    if isinstance(schema, dict):
        for word, value in schema.items():
            if word == "properties":
                yield from ((f"{place}.{name}", inner) for name, inner in value.items())
            yield from keys(value, f"{place}.{word}")


def has_text(schema: object) -> bool:
    return schema is False or (isinstance(schema, dict) and bool(schema.get("description")))
