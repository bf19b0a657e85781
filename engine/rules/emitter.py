"""Source code of one function, and the function that it becomes.

In: lines that a code generator writes, and the values they speak of. Out: a compiled function whose traceback shows
those lines. Rule of the file: no text of a rule stands in the source; every constant is bound to a name made here.
"""

import itertools
import linecache
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from engine.rules.matching import TextMemory

_INDENT: Final = "    "
_numbers: Final = itertools.count(1)


class Emitter:
    """Collects the body of one function. `name` says in tracebacks what the function is for; `texts` is where its tests of texts remember."""

    def __init__(self, name: str, texts: TextMemory | None = None) -> None:
        self.texts = TextMemory() if texts is None else texts
        self._name = name
        self._constants: dict[str, object] = {}
        self._names: dict[str | int, str] = {}
        self._body: list[tuple[int, str | Callable[[], Iterable[str]]]] = []
        self._depth = 1
        self._locals = 0

    def bind(self, value: object, hint: str) -> str:
        """A name under which the generated code finds `value`; equal strings share one, and so does an object with itself.

        `hint` is a word of the generator's own, an identifier, never text of a rule.
        """
        identity = value if type(value) is str else id(value)
        if identity not in self._names:
            name = f"{hint.upper()}_{len(self._constants)}"
            self._names[identity] = name
            self._constants[name] = value
        return self._names[identity]

    def local(self, hint: str) -> str:
        """A new name for a local variable."""
        self._locals += 1
        return f"{hint}_{self._locals}"

    def line(self, text: str) -> None:
        """Write one line at the present depth."""
        self._body.append((self._depth, text))

    def later(self, lines: Callable[[], Iterable[str]]) -> None:
        """Leave room for lines that are asked for when the function is made. They may indent themselves further."""
        self._body.append((self._depth, lines))

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Write `header`, which ends in a colon; what is written inside the `with` stands below it."""
        self.line(header)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def source(self, *parameters: str) -> str:
        """The text of the function, to look at."""
        lines = [f"def generated({', '.join(parameters)}):"]
        for depth, entry in self._body:
            texts = [entry] if isinstance(entry, str) else entry()
            lines.extend(_INDENT * depth + text for text in texts)
        if len(lines) == 1:
            lines.append(_INDENT + "return")
        return "\n".join(lines) + "\n"

    def function(self, *parameters: str) -> Callable[..., object]:
        """Compile what was written into a function with these parameters.

        Its lines stay in `linecache` for as long as the function lives. The caller knows the function's real type
        and assigns it there with a cast.
        """
        text = self.source(*parameters)
        file = f"<generated {self._name} {next(_numbers)}>"
        space = dict(self._constants)
        exec(compile(text, file, "exec"), space)  # noqa: S102 - the text is made of this package's own words only
        function: Callable[..., object] = space["generated"]  # type: ignore[assignment]  # `def generated` put it there
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(function, linecache.cache.pop, file, None)
        return function
