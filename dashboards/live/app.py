"""The local board as a Starlette app: the page, its events, its state, the past, and the actions on alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.spool.frames import Action
from collector.spool.spool import Spool, SpoolError
from dashboards.live import alert_page, from_grafana
from dashboards.live.allowed_hosts import AllowedHosts
from dashboards.live.answers import LONGEST_BODY, acted, body_of, said
from dashboards.live.feed import Feed
from dashboards.live.from_grafana import Grafana
from dashboards.live.page import document
from dashboards.live.past import PastQuery, UnknownSeries, past
from dashboards.live.view import WINDOW_S, View
from detectors.actions import ActionRequest
from detectors.calendar import Calendar
from detectors.chain.network import Network

ACTIONS = (Action.ACK, Action.SHELVE, Action.UNSHELVE, Action.COMMENT)
STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def board_app(
    spool_path: Path,
    *,
    title: str,
    timezone: str = "UTC",
    calendar: Calendar | None = None,
    network: Network | None = None,
    window_s: float = WINDOW_S,
    allowed: AllowedHosts | None = None,
    grafana: Grafana | None = None,
) -> Starlette:
    """The board over one spool. `network`: the chain as it is now; what was said of nodes it lacks is left out.

    `grafana`: the one Grafana whose pages may acknowledge alerts; without it there is no such way in.
    """
    nodes = None if network is None else frozenset(network.by_name)

    def open_view() -> View:
        spool = Spool.open(spool_path)
        return View(spool, title=title, timezone=timezone, calendar=calendar, nodes=nodes, window_s=window_s)

    feed = Feed(open_view)
    allowed = allowed or AllowedHosts()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with feed.running():
            yield

    async def page(request: Request) -> Response:
        return Response(document(feed.state, feed.parts), media_type="text/html")

    async def alert(request: Request) -> Response:
        """The page of one alert, where rows in Grafana lead."""
        return Response(alert_page.document(feed.state, request.path_params["alert_id"]), media_type="text/html")

    async def state(request: Request) -> Response:
        return Response(msgspec.json.encode(feed.state), media_type="application/json")

    async def events(request: Request) -> Response:
        return StreamingResponse(feed.changes(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def health(request: Request) -> Response:
        """200 while the board reads its spool without doubt, else 503 and why."""
        notices = feed.state.notices
        return PlainTextResponse("\n".join(notices) or "ok", status_code=503 if notices else 200)

    async def history(request: Request) -> Response:
        return await run_in_threadpool(_past, spool_path, dict(request.query_params))

    async def action(request: Request) -> Response:
        refused = allowed.refuses_act(request.headers)
        if refused:
            return said(refused, 415 if "application/json" in refused else 403)
        return await _act(spool_path, request)

    routes = [
        Route("/", page),
        Route("/state.json", state),
        Route("/events", events),
        Route("/healthz", health),
        Route("/history", history),
        Route("/alerts/{alert_id:path}/{action}", action, methods=["POST"]),
        Route("/alerts/{alert_id:path}", alert),
        *(from_grafana.routes(grafana, spool_path, allowed) if grafana else ()),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(_HostCheck, allowed=allowed)])
    app.state.feed = feed
    return app


def _past(spool_path: Path, asked: dict[str, str]) -> Response:
    """What a series did, as JSON; read from a connection of its own."""
    try:
        query = msgspec.convert(asked, PastQuery, strict=False)
        with Spool.open(spool_path) as spool:
            return Response(msgspec.json.encode(past(spool, query)), media_type="application/json")
    except UnknownSeries as error:
        return said(str(error), 404)
    except SpoolError as error:
        return said(str(error), 503)
    except ValueError as error:
        return said(f"history cannot be asked so: {error}; give series, and from and to or span_s in seconds", 422)


async def _act(spool_path: Path, request: Request) -> Response:
    name, alert_id = request.path_params["action"], request.path_params["alert_id"]
    if name not in ACTIONS:
        return said(f"no action {name!r}; there is {', '.join(ACTIONS)}", 404)
    body = await body_of(request)
    if body is None:
        return said(f"the body is longer than {LONGEST_BODY} bytes; shorten the text", 413)
    try:
        wanted = msgspec.json.decode(body, type=ActionRequest)
        return await acted(spool_path, Action(name), alert_id, wanted)
    except (msgspec.DecodeError, ValueError) as error:
        return said(f"the action cannot be taken: {error}; send who, text and minutes", 422)


class _HostCheck:
    """Turns away requests that came by a foreign name, and sends the same careful headers with every answer."""

    def __init__(self, app: ASGIApp, allowed: AllowedHosts) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if self._allowed.admits(host):
            await self._app(scope, receive, send_with_headers)
        else:
            sentence = f"this board does not answer to the name {host!r}; add it to [board] names in site.toml"
            await said(sentence, 421)(scope, receive, send_with_headers)
