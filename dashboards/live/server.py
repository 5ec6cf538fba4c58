"""Serves the board on a socket that is bound before anything is promised."""

from __future__ import annotations

import errno
import socket
import threading
from types import TracebackType

import uvicorn
from starlette.applications import Starlette

from collector.errors import AndonError

_READY_S = 15.0
_GOODBYE_S = 3


class BoardUnavailable(AndonError):
    """The board cannot be served there; the sentence names the address and the remedy."""


class RunningBoard:
    """A board being served by a thread of its own, until `stop` or the end of the `with` block."""

    def __init__(self, app: Starlette, bound: socket.socket) -> None:
        host, port = bound.getsockname()[:2]
        self.host, self.port = str(host), int(port)
        self._feed = app.state.feed
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GOODBYE_S
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([bound],), name="board", daemon=True)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}/"

    def stop(self) -> None:
        """Ends every stream, then the server; returns when its thread has ended."""
        self._feed.close_soon()
        self._server.should_exit = True
        self._thread.join()

    def start(self) -> None:
        self._thread.start()
        for _ in range(int(_READY_S / 0.02)):
            if self._server.started or not self._thread.is_alive():
                break
            self._thread.join(0.02)
        if not self._server.started:
            raise BoardUnavailable(f"the board at {self.address} did not start; the log says why")

    def __enter__(self) -> RunningBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> RunningBoard:
    """Serves `app` (of `board_app`) and returns once it answers; port 0 takes a free one.

    Raises BoardUnavailable when the address is taken, not allowed or not this machine's.
    """
    board = RunningBoard(app, _bound(host, port))
    board.start()
    return board


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(128)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise BoardUnavailable(f"the board cannot be served at {host}:{port}: {_remedy(error, port)}") from error
    return bound


def _remedy(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; stop what has it, or choose another [board] port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved; choose one above 1023 in [board] port"
    return f"{error.strerror or error}; choose an address of this machine in [board] host"
