"""Text to a path: `user.user_type`, `context.devices[0].os`, `$.user.id`, `meta."odd-name"`.

In: a JMESPath identifier chain. Out: a `Path`, or PathInvalid, which says where the text stops being one and what to write.
Rule of the file: a path only ever names one place; what selects or computes belongs into `jmespath`.
"""

import json
import re
from typing import Final

from engine.rules.diagnostics import shown
from engine.rules.model import Path
from engine.rules.places import NOWHERE, Span

MAX_PATH_CHARS: Final = 500
MAX_PATH_STEPS: Final = 32

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_INDEX: Final = re.compile(r"\[(0|-?[1-9][0-9]{0,5})\]")
_ODD_NAME: Final = re.compile(r'[^.\[\]"\s]+')
_COMPARISON: Final = re.compile(r"([A-Za-z_][\w.]*) *(==?|!=|<=?|>=?) *(\S.*?)")
_SIGNS: Final = {"!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class PathInvalid(ValueError):
    """The text is no path. `message` says why, `hint` what to write instead, `at` is the 0-based character."""

    def __init__(self, message: str, hint: str, at: int) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.at = at


def parse_path(text: str, span: Span = NOWHERE) -> Path:
    """The path that `text` writes. Raises PathInvalid for anything else.

    Names are letters, digits and `_`; others stand in double quotes, as a JSON string. An index counts from 0, a
    negative one from the end.
    """
    if len(text) > MAX_PATH_CHARS:
        raise PathInvalid(f"a path of {len(text)} characters", f"at most {MAX_PATH_CHARS} are taken", MAX_PATH_CHARS)
    own = text.startswith("$.")
    at = 2 if own else 0
    steps: list[str | int] = []
    while True:
        step, at = _step(text, at, first=not steps)
        steps.append(step)
        if len(steps) > MAX_PATH_STEPS:
            raise PathInvalid("a path of too many steps", f"at most {MAX_PATH_STEPS} are taken", at)
        if at == len(text):
            return Path(text, tuple(steps), own, span)
        if text[at] == ".":
            at += 1
        elif text[at] != "[":
            raise _fault(text, at)


def _step(text: str, at: int, *, first: bool) -> tuple[str | int, int]:
    if (not first or at == 0) and (index := _INDEX.match(text, at)) and (at == 0 or text[at - 1] != "."):
        return int(index[1]), index.end()
    if name := _NAME.match(text, at):
        return name[0], name.end()
    if quoted := _QUOTED.match(text, at):
        try:
            return str(json.loads(quoted[0])), quoted.end()
        except ValueError:
            raise PathInvalid(
                f"`{quoted[0]}` is not a JSON string", "inside the quotes only JSON's escapes are taken", at
            ) from None
    raise _fault(text, at)


def _fault(text: str, at: int) -> PathInvalid:
    rest = text[at:]
    if not text:
        return PathInvalid("an empty path", "name a field", at)
    if not rest or rest[0] == ".":
        return PathInvalid(f"`{text}` has an empty step", "remove the extra `.`", at)
    if rest[0] == "[":
        return _index_fault(text, rest, at)
    if said := _COMPARISON.fullmatch(text):
        name, sign, value = said.groups()
        test = f"{name}: {value}" if sign in "==" else f"{name}: {{{_SIGNS[sign]}: {value}}}"
        return PathInvalid(f"`{text}` is an expression, not a path", f"a comparison is a map: `{test}`", at)
    if rest[0].isspace() and re.fullmatch(r"[A-Za-z_]\w*(?: \w+)+", text):
        return PathInvalid(
            f"`{text}` has a blank in it", f"did you mean `{text.replace(' ', '_')}`? An odd name stands in double quotes", at
        )
    if rest[0].isspace():
        return PathInvalid(f"`{text}` has a blank in it", "remove it, or put the odd name in double quotes", at)
    if rest[0] == "$":
        if at == 0 and _NAME.fullmatch(rest, 1):
            return PathInvalid(
                f"`{text}` is not a path", f"write `{rest[1:]}`, or `$.{rest[1:]}` where a source has that name", at
            )
        return PathInvalid(f"`{text}` is not a path", "`$.` stands only at the beginning and is followed by a name", at)
    if rest[0] == '"':
        return PathInvalid(f"`{text}` opens a quote in the wrong place or never closes it", 'write `name."odd-name"`', at)
    return _odd_name_fault(text, at)


def _index_fault(text: str, rest: str, at: int) -> PathInvalid:
    if rest.startswith(("[*]", "[]", "[?", "[:")):
        return PathInvalid(
            f"`{text}` selects many values", "a path names one place; for any or all elements write `some:` or `every:`", at
        )
    if rest.startswith(("['", '["')):
        return PathInvalid(f"`{text}` names a member in brackets", 'write `name."odd-name"`', at)
    return PathInvalid(f"`{text}` has a `[` without a whole number and `]`", "write `devices[0]`", at)


def _odd_name_fault(text: str, at: int) -> PathInvalid:
    if at and text[at - 1] == "]":
        return PathInvalid(f"`{text}` goes on after `]`", "write `.` before the next name", at)
    begin = max(text.rfind(".", 0, at), text.rfind("[", 0, at)) + 1
    odd = _ODD_NAME.match(text, begin)
    word = odd[0] if odd else text[at]
    if word.isdigit():
        return PathInvalid(f"`{text}` has a number as a name", f"an element of a list is written `[{word}]`", begin)
    if not word.isprintable():
        return PathInvalid(
            f"`{shown(text)}` has a character that cannot be seen",
            "write the name again: it was pasted with more than its letters",
            begin,
        )
    quoted = f'{text[:begin]}"{word}"{text[begin + len(word) :]}'
    if pair := re.fullmatch(r"([A-Za-z_][\w.]*)[;=] *([\w.]+)", text):
        return PathInvalid(f"`{text}` is no name", f"write `{pair[1]}: {pair[2]}`", begin)
    if re.fullmatch(r"[A-Za-z_]\w*(?:-\w+)+", text):
        return PathInvalid(
            f"`{text}` is not a plain name",
            f"did you mean `{text.replace('-', '_')}`? An odd name stands in double quotes: `'{quoted}'`",
            begin,
        )
    if re.fullmatch(r"[A-Za-z_]\w*(?:/[A-Za-z_]\w*)+", text):
        return PathInvalid(
            f"`{text}` has a `/`",
            f"did you mean `{text.replace('/', '.')}`? An odd name stands in double quotes: `'{quoted}'`",
            begin,
        )
    return PathInvalid(f"`{word}` is not a plain name", f"put it in double quotes: `'{quoted}'`", begin)
