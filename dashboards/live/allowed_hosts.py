"""Who may ask: only browsers that came to this board by its own name, and only pages of this board may act.

Refusing foreign Host headers stops DNS rebinding; refusing foreign Origins and anything but JSON stops posts from other
sites.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AllowedHosts:
    """Admits `names` and, when it stands open to the network (`addresses`), every literal address."""

    def __init__(self, names: Iterable[str] = LOOPBACK, *, addresses: bool = False) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._addresses = addresses

    @classmethod
    def of_host(cls, host: str, names: Iterable[str] = ()) -> AllowedHosts:
        """What is allowed on a board bound to `host`: this machine only, or this machine's names and addresses too."""
        if host in LOOPBACK:
            return cls(LOOPBACK | frozenset(names))
        own = {host, socket.gethostname(), socket.getfqdn()}
        return cls(LOOPBACK | own | frozenset(names), addresses=True)

    def admits(self, host: str) -> bool:
        """Whether a Host header names this board."""
        name = _without_port(host)
        return name in self._names or (self._addresses and _is_address(name))

    def refuses_act(self, headers: Mapping[str, str]) -> str:
        """Why a request may not change anything, `""` when it may. Header names are lower case."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return "send the action as application/json"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower():
            return f"the page at {origin} may not act on this board; open the board itself"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "another site may not act on this board; open the board itself"
        return ""


def _without_port(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
