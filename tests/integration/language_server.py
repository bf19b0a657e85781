"""A language server as an editor drives it: JSON-RPC over its standard input and output."""

import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

TIMEOUT_S = 30


class LanguageServer:
    """One server with one folder open."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = list(command)
        self._folder = folder
        self._number = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        completion = {"completionItem": {"documentationFormat": ["markdown"]}}
        self.ask(
            "initialize",
            {"processId": None, "rootUri": self._folder.as_uri(), "capabilities": {"textDocument": {"completion": completion}}},
        )
        self._tell("initialized", {})
        offline = {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}
        self._tell("workspace/didChangeConfiguration", {"settings": {"yaml": offline}})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._process:
            self._process.kill()

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a document, as if it had just been written; returns its diagnostics."""
        uri = (self._folder / name).as_uri()
        self._diagnostics.pop(uri, None)
        self._tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        while uri not in self._diagnostics:
            self._take(self._read())
        return self._diagnostics[uri]

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        """What the server answers about a place of an open document; both are counted from 0."""
        place = {"line": line, "character": character}
        return self.ask(method, {"textDocument": {"uri": (self._folder / name).as_uri()}, "position": place})

    def ask(self, method: str, parameters: dict[str, Any]) -> Any:
        """Send a request, and return its result."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self._take(message)

    def _tell(self, method: str, parameters: dict[str, Any]) -> None:
        self._send({"method": method, "params": parameters})

    def _take(self, message: dict[str, Any]) -> None:
        """Keep diagnostics; answer what the server asks with nothing."""
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        watchdog = threading.Timer(TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            return self._message(stdout)
        finally:
            watchdog.cancel()

    @staticmethod
    def _message(stdout: IO[bytes]) -> dict[str, Any]:
        length = 0
        while line := stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the language server ended, or said nothing for too long"
        message: dict[str, Any] = json.loads(stdout.read(length))
        return message
