"""A user service that answers, hangs and is gone."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.acceptance.processes import TIMEOUT_S
from tests.acceptance.samples import PLANS


class PeopleServer(ThreadingHTTPServer):
    """Answers with a person's plan once `answers` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Person)
        self.answers = threading.Event()
        self.answers.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked is gone."""


class Person(BaseHTTPRequestHandler):
    server: PeopleServer

    def do_GET(self) -> None:
        self.server.answers.wait(TIMEOUT_S)
        plan = PLANS.get(self.path.rsplit("/", 1)[1])
        body = json.dumps({"plan": plan}).encode()
        self.send_response(200 if plan else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
