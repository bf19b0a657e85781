"""The HTTP server: uvicorn within our bounds.

In: an application and the settings. Out: a socket to listen on, and a configuration. Rule of the file: what uvicorn would say in words of its
own is said by us, or not at all.
"""

import asyncio
import errno
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from socket import AF_INET, AF_INET6, create_server, gaierror, has_dualstack_ipv6, socket
from typing import Final

import uvicorn

from engine.errors import SettingsInvalid
from engine.ingress.connection import SPARE_CONNECTIONS, BoundedConnection, ConnectionBounds
from engine.ingress.http import Application
from engine.settings import HttpSettings

_BACKLOG: Final = 2048
_FILES_FOR_OTHERS: Final = 128
_LAST_ANSWERS_S: Final = 0.5
# Where the hard limit is none, systems still take no more than this.
_MOST_OPEN_FILES: Final = 10_240

_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket:
    """A socket that listens; on `::` for IPv4 as well, where the system can. Raises SettingsInvalid where that is not to be had."""
    family = AF_INET6 if ":" in host else AF_INET
    both = host == "::" and has_dualstack_ipv6()
    try:
        return create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise SettingsInvalid(_not_to_be_had(error, host, port)) from error


def _not_to_be_had(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program; stop that, or choose another one: `--port`, `http.port` (HTTP_PORT)"
    if error.errno == errno.EACCES:
        return f"port {port} is not for this user; choose one above 1023: `--port`, `http.port` (HTTP_PORT)"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, gaierror):
        return f"this machine has no address `{host}`; set another one: `--host`, `http.host` (HTTP_HOST)"
    return f"nothing can listen on port {port} of {host}: {error.strerror}"


def address_of(listening: socket) -> str:
    """Where a socket listens, as a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ServerConfig(uvicorn.Config):
    """What uvicorn is told; how many connections may be open, which may be fewer than the settings say; how long a stop waits for answers."""

    max_connections: int
    stop_timeout_s: float


def server_config(app: Application, http: HttpSettings, stop_timeout_s: float, *, access_log: bool = False) -> ServerConfig:
    """How uvicorn serves the application, with a log line for each request where `access_log` says so. The process may open as many files as the system lets it from here on."""
    whole = None if access_log else app.whole  # it is uvicorn that writes those lines
    bounds = ConnectionBounds(
        _connections(http.max_connections), http.max_head_bytes, http.read_timeout_ms / 1000, http.keep_alive_ms / 1000
    )
    config = ServerConfig(
        app,
        http=partial(BoundedConnection, bounds=bounds, leaving=set(), whole=whole),  # type: ignore[arg-type] # it is only called
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=access_log,
        proxy_headers=False,
        server_header=False,
    )
    config.max_connections, config.stop_timeout_s = bounds.max_connections, stop_timeout_s
    return config


def _connections(wanted: int) -> int:
    """As many connections as are wanted, or fewer where the process may not open so many files."""
    possible = max(1, _raise_open_files() - SPARE_CONNECTIONS - _FILES_FOR_OTHERS)
    if wanted > possible:
        _log.warning(
            "`http.max_connections` is %d, but this process may open no more files than for %d; raise its limit (`ulimit -n`)",
            wanted,
            possible,
        )
    return min(wanted, possible)


def _raise_open_files() -> int:
    """Raise the limit of open files to what the system lets this process have; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (hard, _MOST_OPEN_FILES):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return _MOST_OPEN_FILES if most == resource.RLIM_INFINITY else most
    return soft


class Server(uvicorn.Server):
    """A server that leaves signals to us: it is stopped by `stop`, and the process ends with the engine's own code."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._max_connections, self._stop_timeout_s = config.max_connections, config.stop_timeout_s

    def kept(self) -> dict[str, int]:
        """Connections that are open, and how many may be."""
        return {"connections": len(self.server_state.connections), "max_connections": self._max_connections}

    def stop(self) -> None:
        """Take no more connections, and return from `serve` when the open requests are answered."""
        self.should_exit = True

    def give_up(self) -> None:
        """As `stop`, and leave open requests unanswered: there is nobody left to answer them."""
        self.should_exit = self.force_exit = True

    async def _wait_tasks_to_complete(self) -> None:
        """Wait for open requests, for as long as a stop may take, and leave the others to `part`: uvicorn would answer them with a 500."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_timeout_s):
                await super()._wait_tasks_to_complete()

    async def part(self) -> None:
        """Once every event has ended: let what is answered now go out, and close connections whose request never arrived as a whole."""
        if tasks := self.server_state.tasks:
            await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)
        for connection in list(self.server_state.connections):
            if (transport := connection.transport) is not None:
                transport.close()
        if tasks := self.server_state.tasks:
            await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
