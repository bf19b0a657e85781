"""Event schemas: what is valid, and how a fault is told."""

import pytest

from engine.rules.schemas import EventSchema, SchemaInvalid, json_pointer

EVENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id", "at"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 8, "pattern": "^[a-z]+$"},
        "at": {"type": "string", "format": "date-time"},
        "score": {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 1},
        "kind": {"enum": ["a", "b", 3]},
        "fixed": {"const": "k"},
        "step": {"multipleOf": 0.5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
        "context": {"type": "object", "properties": {"os": {"$ref": "#/$defs/name"}}, "additionalProperties": False},
        "either": {
            "anyOf": [{"type": "string"}, {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}]
        },
        "one": {"oneOf": [{"type": "string"}, {"minLength": 2}]},
        "never": False,
        "not_text": {"not": {"type": "string"}},
        "some": {"contains": {"type": "string"}},
        "names": {"propertyNames": {"maxLength": 3}},
    },
    "$defs": {"name": {"type": "string"}},
}
VALID: dict[str, object] = {"id": "abc", "at": "2026-03-01T09:30:00Z"}


@pytest.fixture(scope="module")
def schema() -> EventSchema:
    return EventSchema(EVENT)


def test_what_the_schema_takes_is_valid_and_has_nothing_to_explain(schema: EventSchema) -> None:
    data = {**VALID, "score": None, "kind": 3, "either": {"n": 1}, "other": 1}
    assert schema.is_valid(data)
    with pytest.raises(ValueError, match="nothing to explain"):
        schema.explain(data)


@pytest.mark.parametrize(
    ("members", "pointer", "message"),
    [
        ({"id": ""}, "/id", "`id` is an empty string; expected at least 1 character (1 more fault)"),
        ({"id": "abcdefghi"}, "/id", "`id` is the string `abcdefghi`; expected at most 8 characters"),
        ({"id": "A"}, "/id", "`id` is the string `A`; expected a match of the pattern `^[a-z]+$`"),
        ({"id": 5}, "/id", "`id` is `5`; expected a string"),
        ({"at": "noon"}, "/at", "`at` is the string `noon`; expected a time such as `2026-03-01T09:30:00Z`"),
        ({"score": -1}, "/score", "`score` is `-1`; expected at least `0`"),
        ({"score": 1}, "/score", "`score` is `1`; expected less than `1`"),
        ({"score": "x"}, "/score", "`score` is the string `x`; expected null or a number"),
        ({"kind": "c"}, "/kind", "`kind` is the string `c`; expected one of `a`, `b`, `3`"),
        ({"fixed": True}, "/fixed", "`fixed` is `true`; expected exactly `k`"),
        ({"step": 0.3}, "/step", "`step` is `0.3`; expected a multiple of `0.5`"),
        ({"tags": []}, "/tags", "`tags` is an array of 0 elements; expected at least 1 element"),
        ({"tags": ["a", "b", "c"]}, "/tags", "`tags` is an array of 3 elements; expected at most 2 elements"),
        ({"tags": ["a", "a"]}, "/tags", "`tags` is an array of 2 elements; expected elements that differ from each other"),
        ({"tags": ["a", 1]}, "/tags/1", "`tags.1` is `1`; expected a string"),
        ({"context": {"os": 1}}, "/context/os", "`context.os` is `1`; expected a string"),
        ({"context": {"a/b": 1}}, "/context/a~1b", "`context` has `a/b`, which the schema does not take"),
        ({"either": 1}, "/either", "`either` is `1`; expected a string or an object"),
        ({"either": {"n": "x"}}, "/either/n", "`either.n` is the string `x`; expected a whole number"),
        (
            {"one": "ab"},
            "/one",
            "`one` is the string `ab`; expected exactly one of the schema's alternatives to fit, but several do",
        ),
        ({"never": {}}, "/never", "`never` is an object of 0 members; the schema takes nothing here"),
        ({"not_text": "x"}, "/not_text", "`not_text` is the string `x`; the schema does not take this here"),
        ({"some": [1]}, "/some", "`some` is an array of 1 element; the schema's `contains` does not hold"),
        (
            {"names": {"long": 1}},
            "/names",
            "`names` has a member of a name that the schema does not take: expected at most 3 characters",
        ),
    ],
)
def test_a_fault_is_told_with_its_place_the_value_seen_and_what_is_expected(
    schema: EventSchema, members: dict[str, object], pointer: str, message: str
) -> None:
    data = {**VALID, **members}
    assert not schema.is_valid(data)
    assert schema.explain(data) == (pointer, message)


def test_of_several_faults_a_missing_member_comes_first_and_the_others_are_counted(schema: EventSchema) -> None:
    pointer, message = schema.explain({"at": 1, "kind": 1, "context": {"x": 1}})
    assert (pointer, message) == ("/id", "the value has no member `id`, which is required (3 more faults)")


def test_a_long_value_is_shortened(schema: EventSchema) -> None:
    _, message = schema.explain({**VALID, "kind": "x\n" * 5_000})
    assert len(message) < 200
    assert message.isprintable()


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({"type": "strin"}, "/type", "`type` is the string `strin`"),
        ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum", "expected a number"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "/properties/a/pattern", "linear time"),
        ({"pattern": r"(a)\1"}, "/pattern", "linear time"),
        ({"pattern": "(a"}, "/pattern", "`(a`"),
        ({"$ref": "#/$defs/none"}, "", "a reference must lead to a place in the same document"),
        ({"$ref": "other.json"}, "", "a reference must lead to a place in the same document"),
        ({"$ref": "http://schemas.invalid/x"}, "", "a reference must lead to a place in the same document"),
        ({"$schema": "http://schemas.invalid/x"}, "", "`$schema` to a known draft"),
    ],
)
def test_a_document_that_is_no_usable_schema_is_refused_with_the_place(
    document: dict[str, object], pointer: str, words: str
) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        EventSchema(document)
    assert caught.value.pointer == pointer
    assert words in caught.value.message
    assert str(caught.value).startswith(caught.value.message)


def test_an_older_draft_is_read_by_its_own_rules() -> None:
    tuple_of_two = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "integer"}]}
    assert EventSchema(tuple_of_two).is_valid(["a", 1])
    assert not EventSchema(tuple_of_two).is_valid(["a", "b"])


@pytest.mark.parametrize(("steps", "pointer"), [((), ""), (("a", 0), "/a/0"), (("a/b", "m~n", ""), "/a~1b/m~0n/")])
def test_a_pointer_escapes_what_it_must(steps: tuple[str | int, ...], pointer: str) -> None:
    assert json_pointer(steps) == pointer
