"""A page for each code of a finding: what it means, rules that have it and rules that do not, and what to do.

In: the Markdown files in `pages`. Out: pages, one by one or as one document. Rule of the file: a page has one form, its title comes from
`CODES`, and its examples are what a test runs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from engine.rules.diagnostics import CODES

_PAGE: Final = re.compile(r"^# ([A-Z]\d{3})\n", re.MULTILINE)
_FENCE: Final = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL)
_HEADINGS: Final = {"bad": "Not so:", "good": "But so:"}


@dataclass(frozen=True, slots=True)
class Example:
    """A file of an example. `words` say how it is to be read: `escaped`, or `alone` without the files that all examples share."""

    kind: Literal["bad", "good"]
    language: str
    file: str
    text: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to say about a code."""

    code: str
    meaning: str
    examples: tuple[Example, ...]
    remedy: str

    def markdown(self, level: int = 1) -> str:
        """The page with its title, as a heading of that level."""
        parts = [f"{'#' * level} {self.code}: {CODES[self.code]}", self.meaning]
        for kind, heading in _HEADINGS.items():
            parts += [heading, *(_fenced(example) for example in self.examples if example.kind == kind)]
        return "\n\n".join([*parts, self.remedy]) + "\n"


def page_of(code: str) -> Page:
    """The page of a code in CODES."""
    return _pages()[code]


def document() -> str:
    """All pages, after what is said about them all."""
    shown = re.sub(r"^```(\w+) \S+$", r"```\1", introduction(), flags=re.MULTILINE)
    return "\n".join([shown, *(page_of(code).markdown(2) for code in CODES)])


def introduction() -> str:
    """What is said about all pages; the files that all examples share stand in it."""
    return files("engine.rules").joinpath("pages/intro.md").read_text(encoding="utf-8")


def shared_files() -> dict[str, str]:
    """The files that all examples share, by name."""
    fences = [(found["info"].split(), found["text"]) for found in _FENCE.finditer(introduction())]
    return {info[1]: text for info, text in fences if len(info) == 2}


@cache
def _pages() -> dict[str, Page]:
    texts = [
        file.read_text(encoding="utf-8")
        for file in sorted(files("engine.rules").joinpath("pages").iterdir(), key=lambda file: file.name)
        if file.name != "intro.md"
    ]
    return {page.code: page for text in texts for page in _read(text)}


def _read(text: str) -> Sequence[Page]:
    parts = _PAGE.split(text)[1:]
    return [_page(code, body) for code, body in zip(parts[::2], parts[1::2], strict=True)]


def _page(code: str, body: str) -> Page:
    fences = list(_FENCE.finditer(body))
    examples = tuple(_example(found["info"].split(), found["text"]) for found in fences)
    return Page(code, body[: fences[0].start()].strip(), examples, body[fences[-1].end() :].strip())


def _example(info: Sequence[str], text: str) -> Example:
    language, kind, *words = info
    file = next((word for word in words if "." in word), "rules.yaml")
    return Example("good" if kind == "good" else "bad", language, file, text, frozenset(words) - {file})


def _fenced(example: Example) -> str:
    name = "" if example.file == "rules.yaml" or example.language == "sh" else f"`{example.file}`:\n\n"
    return f"{name}```{example.language}\n{example.text}```"
