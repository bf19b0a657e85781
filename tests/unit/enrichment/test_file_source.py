"""Context from real files: read, read again, and never worse than before."""

import json
import os
from pathlib import Path as FilePath

import pytest

from engine.enrichment.sources.file import FileSource
from engine.errors import LookupFailed
from engine.ports import Context
from engine.rules.model import Breaker, Cache
from engine.rules.source_tables import read_table
from engine.testing import ManualClock
from tests.unit.enrichment.scripted import contexts


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def write(path: FilePath, content: object) -> FilePath:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


async def test_what_is_in_the_file_is_at_hand_and_cut_to_the_fields_wanted(tmp_path: FilePath, clock: ManualClock) -> None:
    table = FileSource(write(tmp_path / "users.json", {"u1": {"a": 1, "b": 2}}), None, clock)

    assert dict(contexts(clock, table, fields=("b", "c")).at_hand) == {"u1": Context({"b": 2}, "fresh")}


async def test_what_is_nowhere_is_negative_or_the_default(tmp_path: FilePath, clock: ManualClock) -> None:
    table = FileSource(write(tmp_path / "users.json", {}), None, clock)

    assert await contexts(clock, table).fetch(["u1"]) == {"u1": Context(None, "negative")}
    assert await contexts(clock, table, default={"x": 1}).fetch(["u1"]) == {"u1": Context({"x": 1}, "default")}


async def test_a_fallback_is_asked_for_what_those_before_it_do_not_know(tmp_path: FilePath, clock: ManualClock) -> None:
    first = FileSource(write(tmp_path / "a.json", {"u1": {"from": "a"}}), None, clock)
    second = FileSource(write(tmp_path / "b.json", {"u1": {"from": "b"}, "u2": {"from": "b"}}), None, clock)
    found = await contexts(clock, first, second).fetch(["u1", "u2", "u3"])

    assert [found[key].value for key in ("u1", "u2", "u3")] == [{"from": "a"}, {"from": "b"}, None]


async def test_a_new_row_is_at_hand_although_it_was_kept_that_there_is_none(tmp_path: FilePath, clock: ManualClock) -> None:
    table = FileSource(write(tmp_path / "users.json", {}), None, clock)
    user = contexts(clock, table, cache=Cache(local_ttl_ms=300_000, negative_ttl_ms=30_000))
    await user.fetch(["u1"])
    write(tmp_path / "users.json", {"u1": {"n": 1}})
    clock.advance(1_000)

    assert user.at_hand["u1"] == Context({"n": 1}, "fresh")


async def test_no_breaker_guards_a_file(tmp_path: FilePath, clock: ManualClock) -> None:
    user = contexts(clock, FileSource(tmp_path / "none.json", None, clock), breaker=Breaker(failures=1))
    await user.fetch(["u1"])
    write(tmp_path / "none.json", {"u1": {"n": 1}})
    clock.advance(1_000)

    assert await user.fetch(["u1"]) == {"u1": Context({"n": 1}, "fresh")}


def test_a_file_is_read_again_when_it_changes_and_not_more_often_than_every_second(
    tmp_path: FilePath, clock: ManualClock
) -> None:
    path = write(tmp_path / "users.json", {"u1": {"n": 1}})
    user = contexts(clock, FileSource(path, None, clock))
    assert user.at_hand["u1"].value == {"n": 1}
    write(path, {"u1": {"n": 22}})
    assert user.at_hand["u1"].value == {"n": 1}
    clock.advance(1_000)

    assert user.at_hand["u1"].value == {"n": 22}


def test_a_half_written_file_leaves_the_table_as_it_was_until_it_is_whole(tmp_path: FilePath, clock: ManualClock) -> None:
    path = write(tmp_path / "users.json", {"u1": {"n": 1}})
    table = FileSource(path, None, clock)
    table.rows()
    path.write_text('{"u1": {"n"', encoding="utf-8")
    clock.advance(1_000)
    assert table.rows() == {"u1": {"n": 1}}
    assert "users.json" in str(table.problem)
    write(path, {"u1": {"n": 333}})
    clock.advance(1_000)

    assert (table.rows(), table.problem) == ({"u1": {"n": 333}}, None)


def test_a_file_that_breaks_and_is_mended_is_two_lines_in_the_log(
    tmp_path: FilePath, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "users.json", {"u1": {}})
    table = FileSource(path, None, clock)
    table.rows()
    for content in ("{", "{{", '{"u1": {"n": 1}}'):
        path.write_text(content, encoding="utf-8")
        clock.advance(1_000)
        table.rows()

    assert len(caplog.records) == 2
    assert caplog.messages[1] == f"enrichment file `{path}` can be read again"


async def test_a_source_says_which_file_cannot_be_read_while_it_goes_on_with_what_was_there(
    tmp_path: FilePath, clock: ManualClock
) -> None:
    path = write(tmp_path / "users.json", {"u1": {"n": 1}})
    user = contexts(clock, FileSource(path, None, clock))
    said = []
    for spoil in (path.exists, path.unlink, lambda: path.write_text("["), lambda: write(path, {})):
        spoil()
        clock.advance(1_000)
        said.append((len(user.at_hand), user.problem))

    assert said[:2] == [(1, None), (1, f"file: `{path}`: No such file or directory")]
    assert (said[2][0], str(said[2][1]).startswith(f"file: `{path}`: unexpected end of data")) == (1, True)
    assert said[3] == (0, None)


def test_a_file_that_never_could_be_read_is_a_failed_lookup(tmp_path: FilePath, clock: ManualClock) -> None:
    with pytest.raises(LookupFailed, match=r"none\.json"):
        FileSource(tmp_path / "none.json", None, clock).rows()


def test_lines_and_tables_are_keyed_by_the_field_named(tmp_path: FilePath) -> None:
    (tmp_path / "users.ndjson").write_text('{"key": 7, "n": 1}\n\n{"key": "b", "n": 2}\n', encoding="utf-8")
    (tmp_path / "users.csv").write_text("key,n\n7,1\nb,2\n", encoding="utf-8")

    assert read_table(tmp_path / "users.ndjson", "key") == {"7": {"key": 7, "n": 1}, "b": {"key": "b", "n": 2}}
    assert read_table(tmp_path / "users.csv", "key") == {"7": {"key": "7", "n": "1"}, "b": {"key": "b", "n": "2"}}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.json", "[]", "one JSON object"),
        ("a.json", '{"u": 1}', "one JSON object"),
        ("a.ndjson", '{"id": 1}\n[]\n', "line 2 is not a JSON object"),
        ("a.ndjson", '{"id": 1}\n\n{"id"\n', "line 3 is not JSON"),
        ("a.csv", "key,n\n1,2\n", "line 2 has no `id`"),
        ("a.csv", "n,id\n1,2\n\n1\n", "line 4 has no `id`"),
        ("a.csv", "id,n\nu1,1,2\n", "line 2 has 3 cells, and there are 2 columns"),
        ("a.csv", 'id,n\nu1,"a\nb"\nu2,"c\nu3,d\n', "line 4 begins a row that is not CSV: .*is a quote left open"),
        ("a.json", '{"u": ' + 300 * '{"a":' + "1" + 301 * "}", "the object of `u` is nested too deeply to go out with an event"),
        ("a.ndjson", '{"id": 1}\n{"id": 2, "x": ' + 300 * "[" + 300 * "]" + "}", "the object on line 2 is nested too deeply"),
        ("a.csv", 'id,n\nu1,"' + 200_000 * "x", "line 2 begins a row that is not CSV: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: FilePath, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=fault):
        read_table(tmp_path / name, None)


def test_cells_that_a_row_lacks_are_left_out_and_empty_ones_beyond_the_columns_are_nothing(tmp_path: FilePath) -> None:
    (tmp_path / "a.csv").write_text('id,name,plan\nu1,bob\n\nu2,"al,\n",free,,\n', encoding="utf-8")

    assert read_table(tmp_path / "a.csv", None) == {
        "u1": {"id": "u1", "name": "bob"},
        "u2": {"id": "u2", "name": "al,\n", "plan": "free"},
    }


async def test_a_quote_that_is_left_open_costs_no_event_its_context(tmp_path: FilePath, clock: ManualClock) -> None:
    path = tmp_path / "users.csv"
    path.write_text("id,name\nu1,bob\n", encoding="utf-8")
    user = contexts(clock, FileSource(path, None, clock))
    before = dict(user.at_hand)
    path.write_text('id,name\nu0,"bob\n' + "".join(f"u{n},name number {n}\n" for n in range(8_000)), encoding="utf-8")
    clock.advance(1_000)

    assert dict(user.at_hand) == before == {"u1": Context({"id": "u1", "name": "bob"}, "fresh")}
    assert str(user.problem).startswith(f"file: `{path}`: line 2 begins a row that is not CSV")


def test_whatever_a_reader_raises_is_a_problem_of_the_file(
    tmp_path: FilePath, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr("engine.enrichment.sources.file.read_table", broken)

    with pytest.raises(LookupFailed, match=r"users\.json`: RuntimeError: nobody thought of it"):
        FileSource(write(tmp_path / "users.json", {}), None, clock).rows()


async def test_a_file_of_other_permissions_is_a_problem_not_a_crash(tmp_path: FilePath, clock: ManualClock) -> None:
    table = FileSource(write(tmp_path / "users.json", {"u1": {}}), None, clock)
    table.rows()
    os.unlink(tmp_path / "users.json")  # noqa: PTH108 - as another program would
    clock.advance(1_000)

    assert await table.lookup(["u1"]) == {"u1": {}}
