"""Mending: which edits are made, and which are taken back."""

import shutil
from pathlib import Path

import pytest

from engine.rules.diagnostics import Edit
from engine.rules.edits import Places, apply, compatible
from engine.rules.mending import Mended, mend
from engine.rules.places import Span

BAD = Path(__file__).parents[2] / "data" / "rules" / "bad"
HEAD = "version: 1\nevents: {type: kind, time: at, types: {answer: {}}}\n"


def mended(directory: Path, text: str) -> Mended:
    (directory / "rules.yaml").write_text(text)
    return mend(directory, {}, ())


def text_of(one: Mended) -> str:
    (data,) = one.files.values()
    return data.decode()


def span(line: int, col: int, end_col: int) -> Span:
    return Span("f", line, col, line, end_col)


def test_edits_leave_all_else_as_it_was() -> None:
    edits = [Edit(span(2, 1, 2), "xyz"), Edit(span(1, 3, 3), "é")]

    assert apply("日本語\r\nb c\r\n", edits) == ("日本é語\r\nxyz c\r\n", [(2, 3), (6, 9)])


def test_of_edits_that_touch_each_other_the_first_is_made() -> None:
    groups = [(Edit(span(1, 1, 4), "a"),), (Edit(span(1, 3, 5), "b"),), (Edit(span(1, 4, 5), "c"),), (Edit(span(1, 1, 4), "a"),)]

    assert compatible(groups, Places("abcdefgh")) == [0, 2, 3]


@pytest.mark.parametrize("case", sorted(BAD.iterdir()), ids=lambda path: path.name)
def test_a_bad_ruleset_has_no_more_to_mend_after_it_was_mended(case: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(case, again)
    for file, data in mend(again, {}, ()).files.items():
        Path(file).write_bytes(data)

    assert mend(again, {}, ()).files == {}


def test_one_round_may_show_the_next_mistake(tmp_path: Path) -> None:
    one = mended(tmp_path, HEAD + "filters:\n  slow:\n\twhen: {took_ms: {'>': '1000'}}\n\tthen: {allow: {mark: @slow}}\n")

    assert text_of(one) == HEAD + "filters:\n  slow:\n    when: {took_ms: {gt: 1000}}\n    then: {allow: {mark: '@slow'}}\n"
    assert one.loaded.findings == []


def test_an_edit_after_which_something_is_wrong_with_it_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"additionalProperties": false, "properties": {"topics": {"type": "array"}}}')
    text = HEAD.replace("{}}}", "{schema: answer.json}}}") + "filters: {a: {when: {topics: [x, y]}, then: {allow: {}}}}\n"

    one = mended(tmp_path, text)

    assert one.files == {}
    assert [finding.code for finding in one.loaded.findings if finding.edits] == ["E210"]


def test_an_edit_that_would_take_an_anchor_away_is_not_made(tmp_path: Path) -> None:
    text = (
        HEAD
        + "filters:\n  a: {when: {x: 1}, then: {allow: {}}, mode: &m shdow}\n  b: {when: {x: 2}, then: {allow: {}}, mode: *m}\n"
    )

    one = mended(tmp_path, text)

    assert one.files == {}


def test_a_file_without_faults_is_not_among_those_that_change(tmp_path: Path) -> None:
    (tmp_path / "events.yaml").write_text(HEAD)
    (tmp_path / "rules.yaml").write_text("lists: {a: [b]}\n")

    one = mend(tmp_path, {}, ())

    assert {Path(file).name: data for file, data in one.files.items()} == {"rules.yaml": b"version: 1\nlists: {a: [b]}\n"}
