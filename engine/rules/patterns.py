"""Regular expressions and JMESPath expressions, tried before they are trusted.

In: the text of one. Out: None, or what is wrong with it and what to write. Rule of the file: what passes here compiles when it runs.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import jmespath
import jmespath.exceptions
import jmespath.functions
import re2

from engine.rules.diagnostics import did_you_mean
from engine.rules.pattern_rewrites import rewritten

MAX_REGEX_CHARS: Final = 1_000
MAX_JMESPATH_CHARS: Final = 1_000

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_TOO_MUCH: Final = (
    ("(?=", "RE2 has no lookahead: match both parts with two tests in one map"),
    ("(?!", "RE2 has no negative lookahead: add a second test, `none: [{field: {matches: …}}]`"),
    ("(?<=", "RE2 has no lookbehind: include the text before in the pattern"),
    ("(?<!", "RE2 has no negative lookbehind: add a second test, `none: [{field: {matches: …}}]`"),
    ("(?>", "RE2 has no atomic groups, and needs none: it never backtracks"),
)
_BACKREFERENCE: Final = re.compile(r"\\[1-9]|\(\?P=|\\k<")
_POSSESSIVE: Final = re.compile(r"[*+?}]\+")


class PatternFault(NamedTuple):
    """Why an expression cannot be used, and what to do."""

    message: str
    help: str


@lru_cache(maxsize=10_000)
def regex_fault(pattern: str) -> PatternFault | None:
    """What is wrong with a regular expression in RE2's syntax, or None."""
    if len(pattern) > MAX_REGEX_CHARS:
        return PatternFault(
            f"a regular expression of {len(pattern):,} characters",
            f"at most {MAX_REGEX_CHARS:,} are taken; use `matches_any` with a list",
        )
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        return PatternFault(f"not a regular expression of RE2: {reason}", _regex_help(pattern, reason))
    except UnicodeEncodeError:
        return PatternFault("a regular expression with half a character", "write the whole character")
    return None


def _regex_help(pattern: str, reason: str) -> str:
    other = rewritten(pattern)
    if other is not None:
        return f"RE2 finds the same with `{other}`"
    for syntax, help in _TOO_MUCH:
        if syntax in pattern:
            return help
    if _BACKREFERENCE.search(pattern):
        return "RE2 has no backreferences: write the alternatives out"
    if reason.startswith("bad repetition operator") and _POSSESSIVE.search(pattern):
        return "RE2 has no possessive repeats, and needs none: it never backtracks"
    if reason.startswith("no argument for repetition"):
        return "`*`, `+` and `?` repeat what stands before them: any text is `.*`; a plain character is escaped: `\\*`"
    if "missing )" in reason or "unexpected )" in reason or "missing ]" in reason:
        return "close every `(` and `[`; a plain one is escaped: `\\(`"
    if "repetition size" in reason or "too large" in reason:
        return "repeat at most 1,000 times"
    if "invalid escape" in reason or "trailing" in reason:
        return "escape only punctuation and the classes of RE2: `\\d \\w \\s \\b`; a backslash is `\\\\`"
    return "see the syntax of RE2"


def jmespath_fault(text: str) -> PatternFault | None:
    """What is wrong with a JMESPath expression, or None."""
    if len(text) > MAX_JMESPATH_CHARS:
        return PatternFault(f"an expression of {len(text):,} characters", f"at most {MAX_JMESPATH_CHARS:,} are taken")
    try:
        tree = jmespath.compile(text).parsed
    except RecursionError:
        return PatternFault("an expression nested too deeply", "split it over several derived fields")
    except jmespath.exceptions.ParseError as error:
        message = f"not a JMESPath expression at character {error.lex_position + 1}"
        return PatternFault(message, "a text is written 'so', a number `5` in backticks, an odd name in double quotes")
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0]
        return PatternFault(f"not a JMESPath expression: {first}", "a text is written 'so', a number `5` in backticks")
    return _function_fault(tree)


def _function_fault(tree: object) -> PatternFault | None:
    functions = jmespath.functions.Functions.FUNCTION_TABLE
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if node.get("type") == "function_expression":
            name, given = node["value"], len(node["children"])
            if name not in functions:
                return PatternFault(f"JMESPath has no function `{name}`", did_you_mean(name, functions))
            signature = functions[name]["signature"]
            variadic = bool(signature) and bool(signature[-1].get("variadic"))
            if given < len(signature) or (given > len(signature) and not variadic):
                return PatternFault(f"`{name}` takes {len(signature)} values, not {given}", "")
        waiting.extend(node.get("children", ()))
    return None
