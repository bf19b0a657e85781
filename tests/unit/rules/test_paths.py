"""Paths: what is one, and what the others are told."""

import pytest

from engine.rules.paths import PathInvalid, parse_path


@pytest.mark.parametrize(
    ("text", "steps", "own"),
    [
        ("user_id", ("user_id",), False),
        ("user.user_type", ("user", "user_type"), False),
        ("context.devices[0].os", ("context", "devices", 0, "os"), False),
        ("matrix[1][-2]", ("matrix", 1, -2), False),
        ("[3].x", (3, "x"), False),
        ("$.user.id", ("user", "id"), True),
        ('"odd-name".x', ("odd-name", "x"), False),
        ('a."b.c"[0]', ("a", "b.c", 0), False),
        (r'"quote\" and \u00e9"', ('quote" and é',), False),
        ('"all"', ("all",), False),
    ],
)
def test_a_path_is_a_chain_of_names_and_indexes(text: str, steps: tuple[str | int, ...], own: bool) -> None:
    path = parse_path(text)

    assert (path.steps, path.own, path.text) == (steps, own, text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "name a field"),
        ("user..id", "remove the extra `.`"),
        ("user.", "remove the extra `.`"),
        (".user", "remove the extra `.`"),
        ("user-type", "did you mean `user_type`? An odd name stands in double quotes: `'\"user-type\"'`"),
        ("a.user-type.b", "put it in double quotes: `'a.\"user-type\".b'`"),
        ("tags[*]", "a path names one place; for any or all elements write `some:` or `every:`"),
        ("tags[?x]", "a path names one place; for any or all elements write `some:` or `every:`"),
        ("tags.0", "an element of a list is written `[0]`"),
        ("tags[", "write `devices[0]`"),
        ("tags[01]", "write `devices[0]`"),
        ("tags.[0]", "write `devices[0]`"),
        ("tags['x']", 'write `name."odd-name"`'),
        ("tags[0]x", "write `.` before the next name"),
        ("first name", "did you mean `first_name`? An odd name stands in double quotes"),
        ("$", "`$.` stands only at the beginning and is followed by a name"),
        ("a.$.b", "`$.` stands only at the beginning and is followed by a name"),
        ('a"b"', 'write `name."odd-name"`'),
        (r'"\x"', "inside the quotes only JSON's escapes are taken"),
        ("a" * 501, "at most 500 are taken"),
        (".".join("a" * 33), "at most 32 are taken"),
    ],
)
def test_what_is_no_path_is_told_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(PathInvalid) as caught:
        parse_path(text)

    assert caught.value.hint == hint
