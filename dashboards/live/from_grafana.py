"""The way in for Grafana's Acknowledge button; a board has it only where its site.toml names a Grafana and a key.

A person opens Grafana from the board's page `/grafana`, under a name; the link carries a token. Grafana's panel Action
then calls `/grafana/acknowledge` from that person's browser, with the token. Only the origin of that Grafana is allowed
(CORS), and only this one action.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.config import ConfigError
from collector.spool.frames import Action
from dashboards.live.allowed_hosts import AllowedHosts
from dashboards.live.answers import acted, body_of, said
from dashboards.live.grafana_token import SHORTEST_KEY, BadToken, signed, who_says
from dashboards.live.html import Html, el
from detectors.actions import ActionRequest

_BOARD = "/d/andon-plant-overview"
_ASKED_HEADERS = "content-type, x-grafana-action, x-grafana-device-id"
_PREFLIGHT_S = "600"
_USUAL_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Grafana:
    """The Grafana whose pages may acknowledge: its address, the key of our tokens, and how long one is good."""

    url: str
    key: bytes
    token_s: float = 900.0
    now_s: Callable[[], float] = time.time

    @property
    def origin(self) -> str:
        """As a browser writes it: lower case, without the port that its scheme has anyway, without a user's name."""
        at = urlsplit(self.url)
        host = f"[{at.hostname}]" if ":" in (at.hostname or "") else at.hostname
        port = "" if at.port in (None, _USUAL_PORT[at.scheme]) else f":{at.port}"
        return f"{at.scheme}://{host}{port}"


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S")]


class Acknowledging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alert: str
    token: str


def grafana_of(url: str, key_file: Path | None, token_s: float) -> Grafana | None:
    """The Grafana that site.toml names, None when it names none. Raises ConfigError."""
    if not url:
        return None
    if not _is_address(url):
        raise ConfigError(f"`board.grafana_url`: {url!r} is no address; write one such as https://grafana.plant:3000")
    if key_file is None:
        raise ConfigError("`board.grafana_key_file` is missing: name a file with 32 random bytes or more")
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"`board.grafana_key_file`: {key_file}: {error.strerror}; name a file that is there"
        ) from error
    if len(key) < SHORTEST_KEY:
        raise ConfigError(
            f"`board.grafana_key_file`: {key_file} holds {len(key)} bytes; {SHORTEST_KEY} or more are safe"
        )
    return Grafana(url.rstrip("/"), key, token_s)


def _is_address(url: str) -> bool:
    try:
        at = urlsplit(url)
        return at.scheme in _USUAL_PORT and bool(at.hostname) and at.port != 0
    except ValueError:  # no such port, no such IPv6 address
        return False


def routes(grafana: Grafana, spool_path: Path, allowed: AllowedHosts) -> list[Route]:
    """The page that leads to Grafana, the token for it, and the way in for the button."""

    async def page(request: Request) -> Response:
        return Response(_page(), media_type="text/html")

    async def opened(request: Request) -> Response:
        refused = allowed.refuses_act(request.headers)
        if refused:
            return said(refused, 415 if "application/json" in refused else 403)
        return _opened(grafana, await body_of(request))

    async def acknowledge(request: Request) -> Response:
        if request.headers.get("origin") != grafana.origin:
            return said("only pages of the Grafana named in site.toml may do this", 403)
        answer = (
            Response(status_code=204)
            if request.method == "OPTIONS"
            else await _acknowledged(grafana, spool_path, request)
        )
        answer.headers.update(_allowing(grafana.origin))
        return answer

    return [
        Route("/grafana", page),
        Route("/grafana/open", opened, methods=["POST"]),
        Route("/grafana/acknowledge", acknowledge, methods=["POST", "OPTIONS"]),
    ]


def _opened(grafana: Grafana, body: bytes | None) -> Response:
    """Where to go in Grafana, with a token in the name given."""
    try:
        who = msgspec.json.decode(body or b"", type=Opening).who.strip()
    except (msgspec.DecodeError, ValueError) as error:
        return said(f"Grafana is opened in somebody's name: {error}; send who", 422)
    token = signed(who, int(grafana.now_s() + grafana.token_s), grafana.key)
    url = f"{grafana.url}{_BOARD}?var-ack={quote(token)}"
    return Response(msgspec.json.encode({"url": url}), media_type="application/json")


async def _acknowledged(grafana: Grafana, spool_path: Path, request: Request) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return said("send the action as application/json", 415)
    try:
        wanted = msgspec.json.decode(await body_of(request) or b"", type=Acknowledging)
        who = who_says(wanted.token, grafana.now_s(), grafana.key)
        return await acted(spool_path, Action.ACK, wanted.alert, ActionRequest(who, "from Grafana"))
    except (msgspec.DecodeError, ValueError) as error:
        return said(f"the action cannot be taken: {error}; send alert and token", 422)
    except BadToken as error:
        return said(str(error), 401)


def _allowing(origin: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": _ASKED_HEADERS,
        "access-control-max-age": _PREFLIGHT_S,
        "vary": "origin",
    }


def _page() -> str:
    name = el("input", id="who", name="who", autocomplete="name", maxlength=80, required=True)
    form = el("form", el("label", "Your name ", name), el("button", "Open Grafana"), id="open")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("title", "Open Grafana · Andon"),
        el("link", rel="stylesheet", href="/static/board.css"),
        el("script", src="/static/grafana.js", type="module"),
    )
    told = el("p", "Alerts are acknowledged there in your name for a quarter of an hour; then open it here again.")
    problem = el("div", id="said", role="alert", hidden=True)
    return Html("<!doctype html>\n" + el("html", head, el("body", problem, el("main", told, form)), lang="en"))
