"""Whoever reads the console: what the page shows, and what its buttons do."""

import json
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

TIMEOUT_S: Final = 30
_SCRIPT: Final = Path(__file__).with_suffix(".mjs")


class ConsoleReader:
    """The console of the engine at `url`, open. What its scripts raise fails at the end."""

    def __init__(self, url: str, packages: Path) -> None:
        self._url = url
        self._packages = packages

    def __enter__(self) -> Self:
        # Modules find packages by their own place alone, so the script runs from where those are.
        script = self._packages.parent / _SCRIPT.name
        script.write_bytes(_SCRIPT.read_bytes())
        command = ["node", str(script), self._url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "open"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._process:
            try:
                if error is None:
                    assert self._do("problems") == []
            finally:
                self._end()

    def _end(self) -> None:
        """Have nothing more for it to do: it clears up and ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def text(self, selector: str) -> str:
        """The text of all elements of a kind."""
        return " | ".join(self._do("texts", selector))

    def texts(self, selector: str) -> list[str]:
        """The text of each element of a kind."""
        return list(self._do("texts", selector))

    def sees(self, selector: str) -> bool:
        """Whether one of a kind is not hidden."""
        return bool(self._do("visible", selector))

    def kept(self) -> list[str]:
        """Everything that the page has put away in the browser."""
        return list(self._do("kept"))

    def markup(self) -> str:
        """The page as it is now."""
        return str(self._do("markup"))

    def click(self, selector: str) -> None:
        """Click the first of a kind."""
        self._do("click", selector)

    def fill(self, selector: str, value: str) -> None:
        """Write into a field, or choose in it."""
        self._do("fill", selector, value)

    def waits_for(self, selector: str, *words: str, without: str = "\0") -> str:
        """The text of a kind, once it has these words in it, and not those."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            text = self.text(selector)
            if all(word in text for word in words) and without not in text:
                return text
            assert time.monotonic() < end, f"{selector} never had {words}: {text}"
            time.sleep(0.02)

    def _do(self, act: str, selector: str = "body", value: str = "") -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"act": act, "selector": selector, "value": value}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the page ended"
        return json.loads(line)
