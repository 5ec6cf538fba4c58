"""The page of one alert, where a row in Grafana leads: what it is, what it costs, and who takes it."""

from __future__ import annotations

from dashboards.live import page
from dashboards.live.html import Html, el
from dashboards.live.panels import alerts
from dashboards.live.state import BoardState
from dashboards.live.words import Times


def document(state: BoardState, alert_id: str) -> Html:
    """The alert as the board shows it, alone; where it is not open any more, a sentence that says so."""
    times = Times(state.timezone, state.pulse.clock_ns)
    body = el(
        "body",
        el("header", el("h1", el("a", "Andon", href="/")), page.who(), class_="top"),
        el("div", id="said", role="alert", hidden=True),
        el("main", el("section", alerts.only(state, alert_id, times), data_only=alert_id)),
    )
    return Html("<!doctype html>\n" + el("html", page.head(state, "/static/alert.js"), body, lang="en"))
