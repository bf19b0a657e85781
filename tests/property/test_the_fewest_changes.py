"""What is told of a condition that does not hold: the fewest tests whose change makes it hold, and no fewer."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules.explained_costs import cost_of
from engine.rules.interpreter import Explanation, Truth
from engine.rules.why_not import count_of_tests, is_joint, why_not

truths: st.SearchStrategy[Truth] = st.sampled_from((True, False, None))
leaves = st.builds(lambda result: Explanation("eq", result, path="a"), truths)
explanations = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda what, parts: joined(Explanation(what, None, tuple(parts))),
            st.sampled_from(("all", "any", "some", "every")),
            st.lists(inner, min_size=1, max_size=3),
        )
        | inner.map(lambda part: joined(Explanation("not", None, (part,))))
        | inner.map(lambda part: joined(Explanation("use c", None, (part,))))
    ),
    max_leaves=7,
)


def joined(found: Explanation) -> Explanation:
    """With the result that its parts make."""
    results = [part.result for part in found.parts]
    if found.what == "not":
        (result,) = results
        return replace(found, result=None if result is None else not result)
    if found.what in {"any", "some"}:
        result = True if True in results else None if None in results else False
    else:
        result = False if False in results else None if None in results else True
    return replace(found, result=result)


def changed(found: Explanation, changes: dict[int, bool]) -> Explanation:
    """With other results of some tests, by their identity."""
    if not found.parts:
        return replace(found, result=changes.get(id(found), found.result))
    return joined(replace(found, parts=tuple(changed(part, changes) for part in found.parts)))


def leaves_of(found: Explanation) -> Iterator[Explanation]:
    if not found.parts:
        yield found
    for part in found.parts:
        yield from leaves_of(part)


def can_hold(found: Explanation, tests: tuple[Explanation, ...]) -> bool:
    choices = range(1 << len(tests))
    return any(changed(found, {id(t): bool(c >> i & 1) for i, t in enumerate(tests)}).result is True for c in choices)


def own(found: Explanation) -> Explanation:
    """A copy in which every test is an object of its own."""
    return replace(found, parts=tuple(own(part) for part in found.parts))


@settings(max_examples=200, deadline=None)
@given(explanations.map(own))
def test_the_tests_named_make_it_hold_and_fewer_cannot(found: Explanation) -> None:
    needed = why_not(found)

    after = changed(found, {id(one.test): one.result for one in needed})
    assert after.result is True
    for fewer in range(len(needed)):
        assert not any(can_hold(found, tests) for tests in combinations(leaves_of(found), fewer))


@settings(max_examples=200, deadline=None)
@given(explanations)
def test_the_cost_is_never_more_than_all_of_it_and_never_nothing(found: Explanation) -> None:
    cost = cost_of(found)

    assert 1 <= cost.evaluated <= cost.tests == count_of_tests(found)
    assert 1 <= cost.evaluated_weight <= cost.weight
    assert is_joint(found) or cost.evaluated >= 1
