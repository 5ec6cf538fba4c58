"""A network that breaks: a TCP proxy of 127.0.0.1 that cuts its connections in the middle of a packet when told to."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import threading
from contextlib import suppress
from typing import NamedTuple

_CHUNK = 8192
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing discards what was not sent and answers with a reset


class _Link(NamedTuple):
    """Both ends of one connection: who came, and the server."""

    near: socket.socket
    far: socket.socket


class CuttingProxy:
    """Passes on what comes to `port` to a server's port, byte by byte the same, until `cut`."""

    def __init__(self, server_port: int, seed: int = 0) -> None:
        self._server_port = server_port
        self._random = random.Random(seed)
        self._links: dict[socket.socket, _Link] = {}
        self._to_cut = threading.Event()
        self._closing = threading.Event()
        self.cuts = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> CuttingProxy:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._thread.join()
        for link in set(self._links.values()):
            self._close(link)
        self._door.close()

    def cut(self) -> None:
        """The next chunk that passes, either way, ends with a piece of it and a reset at both ends."""
        self._to_cut.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._door:
                    self._join()
                elif key.fileobj in self._links:
                    self._pass_on(key.fileobj)  # type: ignore[arg-type]

    def _join(self) -> None:
        near, _ = self._door.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._server_port), timeout=5)
        except OSError:
            near.close()
            return
        link = _Link(near, far)
        for end in link:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links[end] = link
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, came_from: socket.socket) -> None:
        link = self._links[came_from]
        to = link.far if came_from is link.near else link.near
        try:
            chunk = came_from.recv(_CHUNK)
            if len(chunk) > 1 and self._to_cut.is_set():
                self._to_cut.clear()
                self.cuts += 1
                to.sendall(chunk[: self._random.randrange(1, len(chunk))])
                chunk = b""
            if chunk:
                to.sendall(chunk)
                return
        except OSError:
            pass  # one end is gone: so is the other
        self._close(link)

    def _close(self, link: _Link) -> None:
        for end in link:
            if self._links.pop(end, None) is not None:
                self._selector.unregister(end)
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()
