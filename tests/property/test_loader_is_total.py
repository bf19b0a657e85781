"""Whatever stands in a rule file, reading it ends in a ruleset or in findings, never in an exception."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules.checks import check
from engine.rules.diagnostics import Findings
from engine.rules.lints import lint
from engine.rules.loader import load_yaml
from engine.rules.parse_sources import Surroundings
from engine.rules.parser import SECTIONS, Written, parse
from engine.rules.paths import PathInvalid, parse_path
from engine.rules.reports import FORMS
from engine.rules.source_settings import BUILT_IN_SOURCES

WORDS = (
    *SECTIONS, "version", "routing", "type", "time", "key", "types", "schema", "ordering", "wait", "late", "max_skew", "future", "ttl", "sources",
    "derived", "lookup", "from", "fallback", "cache", "local", "breaker", "http", "file", "url", "path", "bucket", "edges", "labels", "ratio",
    "jmespath", "hour", "timezone", "window", "tumbling", "hopping", "every", "measures", "count", "sum", "quantile", "q", "max_keys", "emit", "to",
    "when", "then", "mode", "order", "allow", "block", "route", "transform", "set", "remove", "rename", "hash", "mask", "all", "any", "none", "not",
    "use", "eq", "ne", "lt", "between", "in", "contains", "matches", "matches_any", "has", "size", "some", "exists", "is_null", "within", "in_cidr",
    "ignore_case", "if_missing", "field", "list", "name", "event", "steps", "expect", "send", "given", "a", "b", "user",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(
        (
            "1",
            "-5",
            "1e3",
            "true",
            "~",
            "''",
            "5m",
            "'${X}'",
            "'a.b[0]'",
            "$.a",
            "2026-03-01T00:00:00Z",
            "10.0.0.0/8",
            "'(a'",
            "'${X:-y}'",
        )
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="'\n"), max_size=8).map(lambda text: f"'{text}'"),
)


def _map(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(st.sampled_from(WORDS), children, max_size=5).map(
        lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
    )


DOCUMENTS = st.recursive(
    VALUES,
    lambda children: _map(children) | st.lists(children, max_size=4).map(lambda items: "[" + ", ".join(items) + "]"),
    max_leaves=40,
)
BASE = "version: 1\nevents: {type: t, time: at, types: {a: {}}}\n"


def read(data: bytes) -> Written:
    """Everything that the compiler does with a file."""
    findings = Findings()
    nodes = {"f.yaml": load_yaml("f.yaml", data, findings)}
    written = parse(nodes, {}, "", Surroundings({"X": "1"}, BUILT_IN_SOURCES), {"custom"}, findings)
    check(written, findings)
    if not findings.has_errors:
        lint(written, findings)
    for form in FORMS.values():
        assert form(findings.in_order(), {"f.yaml": data.decode(errors="replace")})
    return written


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    read(data)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    read(text.encode("utf-8", errors="surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SECTIONS), DOCUMENTS)
def test_any_section_is_read(section: str, document: str) -> None:
    read(f"{BASE if section != 'events' else 'version: 1'}\n{section}: {document}\n".encode())


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_any_filter_is_read(condition: str, action: str) -> None:
    read(f"{BASE}filters: {{f: {{when: {condition}, then: {action}}}}}\n".encode())


@settings(max_examples=200, deadline=None)
@given(_map(VALUES | _map(VALUES)))
def test_any_aggregation_is_read(body: str) -> None:
    read(f"{BASE}aggregations: {{a: {body}}}\nenrichment: {{sources: {{s: {body}}}, derived: {{d: {body}}}}}\n".encode())


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(("a", ".", "[", "]", "0", "-1", '"', "$", "$.", "\\", " ", "é")), max_size=12).map("".join)
)
def test_any_text_is_a_path_or_told_why_not(text: str) -> None:
    try:
        path = parse_path(text)
    except PathInvalid:
        return
    assert path.steps
