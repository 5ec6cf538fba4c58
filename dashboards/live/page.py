"""The one page: a header, notices and the panels of `dashboards/live/panels`, rendered from a BoardState.

`parts` are the pieces that change, by element id; the page is a shell around the first of them, and later ones are
pushed and swapped in. Pure: a state gives the same bytes every time.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import msgspec

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from dashboards.live import panels
from dashboards.live.html import Html, data_script, el, join
from dashboards.live.state import BoardState, LineView
from dashboards.live.words import Times, spoken

Parts = Mapping[str, str]
CHART = "chart:"  # parts with this prefix are JSON for a chart, not markup


def _found() -> list[tuple[str, ModuleType]]:
    names = (module.name for module in pkgutil.iter_modules(panels.__path__))
    modules = [(name, importlib.import_module(f"{panels.__name__}.{name}")) for name in names]
    return sorted(modules, key=lambda module: int(module[1].PLACE))


PANELS = _found()


def parts(state: BoardState) -> dict[str, str]:
    """Every changing piece of the page: markup by element id, and the charts' columns as JSON."""
    times = Times(state.timezone, state.pulse.clock_ns)
    pieces = {"part-pulse": str(_pulse(state, times)), "part-notices": str(_notices(state))}
    for name, panel in PANELS:
        pieces[f"part-{name}"] = str(el("div", panel.render(state, times)))
    for line in state.lines:
        pieces[CHART + line.key] = msgspec.json.encode(_chart(line)).decode()
    return pieces


def document(state: BoardState, pieces: Parts) -> Html:
    """The whole page with its first state, readable without any script."""
    charts = {name: msgspec.Raw(text.encode()) for name, text in pieces.items() if name.startswith(CHART)}
    body = el(
        "body",
        Html(_PATTERNS),
        el("header", el("div", Html(pieces["part-pulse"]), id="part-pulse"), who(), class_="top"),
        el("div", Html(pieces["part-notices"]), id="part-notices", role="status", aria_live="polite"),
        el("div", id="said", role="alert", hidden=True),
        el("main", (_section(name, panel, pieces) for name, panel in PANELS)),
        data_script("charts", msgspec.json.encode(charts)),
    )
    return Html(
        "<!doctype html>\n" + el("html", head(state, "/static/board.js"), body, lang="en", data_timezone=state.timezone)
    )


def head(state: BoardState, script: str) -> Html:
    """The head of a page that `script` brings to life."""
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{spoken(state.title)} · Andon"),
        el("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/uPlot.min.css"),
        el("link", rel="stylesheet", href="/static/board.css"),
        el("script", src="/static/uPlot.iife.min.js", defer=True),
        el("script", src=script, type="module"),
    )


def _section(name: str, panel: ModuleType, pieces: Parts) -> Html:
    heading = el("h2", panel.QUESTION, id=f"question-{name}")
    body = el("div", Html(pieces[f"part-{name}"]), id=f"part-{name}", class_="body")
    return el("section", heading, body, id=f"panel-{name}", aria_labelledby=f"question-{name}")


def _pulse(state: BoardState, times: Times) -> Html:
    pulse = state.pulse
    unacked = sum(not view.alert.acked_by for view in state.alerts)
    levels = [(level, sum(view.alert.severity is level for view in state.alerts)) for level in reversed(AlertLevel)]
    counts = ", ".join(f"{count} {level}" for level, count in levels if count) or "no open alert"
    if unacked:
        counts += f", {unacked} unacknowledged"
    clock = times.full(pulse.clock_ns) if pulse.clock_ns else "–"
    detectors = f"{times.clock(pulse.detectors_at_ns)}" if pulse.detectors_at_ns else "not yet"
    facts = (("Site clock", clock), ("Detectors", detectors), ("Dead letters", f"{pulse.dead_letters:,}"))
    return el(
        "div",
        el("h1", spoken(state.title)),
        el("p", counts, class_="counts" + " some" * bool(unacked), data_open=len(state.alerts)),
        el("dl", (el("div", el("dt", name), el("dd", value)) for name, value in facts), class_="facts"),
        class_="pulse",
    )


def _notices(state: BoardState) -> Html:
    return el("div", (el("p", notice, class_="notice") for notice in state.notices))


def who() -> Html:
    """Where a person writes the name under which alerts are acknowledged."""
    name = el("input", id="who", name="who", autocomplete="name", maxlength=80, placeholder="for acknowledging")
    link = el("p", "live", id="link", class_="link", role="status")
    return el("div", el("label", "Your name ", name), link, class_="who")


def _chart(line: LineView) -> dict[str, Any]:
    window = [segment.from_ns for segment in line.strip[:1]] + [segment.to_ns for segment in line.strip[-1:]]
    return {"window_s": [at_ns / NS_PER_S for at_ns in window], **msgspec.to_builtins(line.trend)}


_PATTERNS = join(
    el(
        "svg",
        el(
            "defs",
            el(
                "pattern",
                el("rect", width=6, height=6, class_="p-ground"),
                el("path", d="M0 6 L6 0", class_="p-line"),
                id="hatch",
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
            ),
            el(
                "pattern",
                el("rect", width=6, height=6, class_="p-stop"),
                el("path", d="M0 6 L6 0 M0 0 L6 6", class_="p-cross"),
                id="cross",
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
            ),
            el(
                "pattern",
                el("rect", width=5, height=5, class_="p-ground"),
                el("circle", cx=2.5, cy=2.5, r=0.9, class_="p-dot"),
                id="dots",
                width=5,
                height=5,
                patternUnits="userSpaceOnUse",
            ),
        ),
        width=0,
        height=0,
        class_="patterns",
        aria_hidden="true",
    )
)
