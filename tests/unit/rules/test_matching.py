"""Tests of one string against many, and the memory of their answers."""

import pytest
import re2

from engine.rules.matching import MAX_REMEMBERED, MAX_REMEMBERED_CHARS, TextMemory, in_networks, matches_any


def test_an_answer_is_asked_for_once() -> None:
    asked: list[str] = []

    def test(text: str) -> bool:
        asked.append(text)
        return text == "a"

    known = TextMemory().remembered(test)
    assert [known[text] for text in ("a", "b", "a", "b")] == [True, False, True, False]
    assert asked == ["a", "b"]


def test_the_memory_is_bounded_and_keeps_no_long_text() -> None:
    known = TextMemory().remembered(lambda text: len(text) > 5)
    for number in range(MAX_REMEMBERED + 1):
        assert known[str(number)] is False
    assert len(known) == 1
    assert known["x" * (MAX_REMEMBERED_CHARS + 1)] is True
    assert len(known) == 1


def test_all_tests_of_a_plan_have_one_bound_each_and_are_counted_together() -> None:
    memory = TextMemory()
    memory.max_texts = 2
    one, other = memory.remembered(len), memory.remembered(len)
    for text in ("a", "b"):
        assert one[text] == other[text] == 1
    assert (len(memory), memory.most) == (4, 4)
    assert one["c"] == 1
    assert (len(memory), len(one), len(other)) == (3, 1, 2)


def test_patterns_are_one_question_and_none_reaches_into_the_next() -> None:
    test = matches_any(["^a$", "\\Q(b|", "(?i)c"], ignore_case=False)
    assert [test(text) for text in ("a", "ab", "x(b|x", "xCx", "(B|")] == [True, False, True, True, False]


def test_an_open_quotation_does_not_swallow_the_patterns_after_it() -> None:
    test = matches_any(["\\Q(b", "\\Qc\\E"], ignore_case=False)
    assert [test(text) for text in ("(b", "c", "b")] == [True, True, False]


def test_ten_thousand_patterns_are_taken() -> None:
    test = matches_any([f"agent{number:05}/\\w{{50}}" for number in range(10_000)], ignore_case=True)
    assert test("an AGENT09999/" + "x" * 50)
    assert not test("agent10000/" + "x" * 50)


def test_no_pattern_matches_nothing() -> None:
    assert matches_any([], ignore_case=False)("") is False


def test_a_bad_pattern_is_an_error() -> None:
    with pytest.raises(re2.error):
        matches_any(["a", "(", "b"], ignore_case=False)


def test_what_is_no_address_is_in_no_network_and_not_out_of_it() -> None:
    test = in_networks(["10.0.0.0/8", "2001:db8::/32", "192.168.0.1"])
    assert [test(text) for text in ("10.9.9.9", "2001:db8::9", "192.168.0.2", "::ffff:10.0.0.1", "host", "10.0.0.1/8", "")] == [
        True,
        True,
        False,
        True,
        None,
        None,
        None,
    ]
