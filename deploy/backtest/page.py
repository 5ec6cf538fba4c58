"""A Backtest as one HTML file that needs nothing else: figures first, then every alert with its picture."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dashboards.live.html import Child, Html, el, join
from deploy.backtest.verdicts import FLOOD, Backtest, Judged, is_good
from deploy.instants import utc
from deploy.report_page import said
from deploy.shortages import RULE

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #23272f; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
td, th { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #e4e6ea; vertical-align: top; }
td { overflow-wrap: anywhere; }
img { width: 100%; height: auto; }
article { border: 1px solid #e4e6ea; border-radius: 6px; padding: .5rem 1rem; margin: 1rem 0; }
.good { color: #216e39; } .bad { color: #b3261e; } .note { color: #5b616b; }
"""


def write_page(report: Backtest, pictures: Mapping[str, bytes], path: Path) -> None:
    """Writes the page; `pictures` are PNGs by the names that alerts have for them."""
    path.write_text(page(report, pictures), encoding="utf-8")


def page(report: Backtest, pictures: Mapping[str, bytes]) -> str:
    title = f"Back-test of {report.site}"
    body = el(
        "body",
        el("h1", title),
        el(
            "p", f"{utc(report.from_at)} to {utc(report.to_at)} UTC, {report.replayed:,} replayed from {report.source}."
        ),
        el("p", f"Rules of {report.rules}."),
        _figures(report),
        _missed(report),
        _shortages(report),
        _stops(report),
        _faults(report),
        el("h2", f"Alerts: {len(report.alerts)}"),
        [_alert(row, pictures) for row in report.alerts],
    )
    head = el("head", el("meta", charset="utf-8"), el("title", title), el("style", Html(_STYLE)))
    return "<!doctype html>\n" + el("html", head, body, lang="en")


def figures(report: Backtest) -> list[tuple[str, str]]:
    """The figures of a back-test, by name: what the page and the command show first."""
    load = report.load
    lead = "-" if report.lead_time_median_s is None else f"{report.lead_time_median_s:.0f} s"
    warned = sum(one.lead_time_s is not None for one in report.shortages)
    told = sum(one.raised_at is not None for one in report.stops)
    rows = [
        (
            "alerts",
            f"{len(report.alerts)} ({', '.join(f'{n} {what}' for what, n in report.outcomes.items()) or 'none'})",
        ),
        (
            "alerts per operator and 10 min",
            f"{load.mean:.2f} in the mean, {load.worst:g} at most"
            + (f" ({utc(load.worst_at)} UTC)" if load.worst_at is not None else "")
            + f", more than {FLOOD} in {load.flood_ratio:.1%} of the periods; operators: {load.operators}",
        ),
        ("stocks that ran empty", f"{len(report.shortages)}, warned of in time: {warned}, median lead time {lead}"),
        ("stops", f"{len(report.stops)}, told: {told}"),
        ("missed", str(len(report.missed))),
    ]
    if report.faults:
        seen = sum(bool(one.alerts or one.gaps) for one in report.faults)
        rows.append(("faults of the plant", f"{len(report.faults)}, told or booked as a gap: {seen}"))
    if report.recorded:
        rows.append(("alerts of the time", ", ".join(f"{name}: {n}" for name, n in report.recorded.items())))
    return rows


def _figures(report: Backtest) -> Html:
    return el("table", [el("tr", el("th", name), el("td", value)) for name, value in figures(report)])


def _missed(report: Backtest) -> Html:
    if not report.missed:
        return Html("")
    return join([el("h2", f"Missed: {len(report.missed)}"), el("ul", [el("li", one) for one in report.missed])])


def _shortages(report: Backtest) -> Html:
    rows = [
        (one.subject, utc(one.empty_at), _clock(one.warned_at), _seconds(one.lead_time_s)) for one in report.shortages
    ]
    if not rows:
        return Html("")
    head = ("stock", "empty at (UTC)", "warned at", "lead time")
    return join([el("h2", "Stocks that ran empty"), el("p", RULE, class_="note"), _table(head, rows)])


def _stops(report: Backtest) -> Html:
    rows = [
        (s.subject, utc(s.start), _seconds(s.end - s.start), _clock(s.raised_at), "yes" if s.suppressed else "")
        for s in report.stops
    ]
    head = ("counter", "from (UTC)", "length", "told at", "hidden by design")
    return join([el("h2", "Stops"), _table(head, rows)]) if rows else Html("")


def _faults(report: Backtest) -> Html:
    rows = [(f.fault, f.line, utc(f.start), utc(f.end), ", ".join((*f.alerts, *f.gaps)) or "-") for f in report.faults]
    head = ("fault", "line", "from (UTC)", "to", "alerts and gaps")
    return join([el("h2", "Faults of the plant"), _table(head, rows)]) if rows else Html("")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    cells = [el("tr", [el("td", cell) for cell in row]) for row in rows]
    return el("table", el("tr", [el("th", name) for name in head]), cells)


def _alert(row: Judged, pictures: Mapping[str, bytes]) -> Html:
    mark = "good" if is_good(row.outcome) else "bad" if row.outcome in ("false", "said false") else "note"
    facts = [f"raised {utc(row.raised_at)} UTC", f"cleared {_clock(row.cleared_at)}", row.severity]
    facts += [f"{row.lead_time_s:.0f} s before it was empty"] if row.lead_time_s is not None else []
    facts += [f"{row.delay_s:.0f} s after it began"] if row.delay_s is not None else []
    facts += [row.why_hidden] if row.why_hidden else []
    evidence = ", ".join(f"{name} {said(name, value)}" for name, value in row.evidence.items())
    body = pictures.get(row.picture)
    source = f"data:image/png;base64,{base64.b64encode(body).decode()}" if body else ""
    parts: list[Child] = [
        el("h3", row.alert),
        el("p", el("span", row.outcome, class_=mark), ": ", "; ".join(facts)),
        el("p", evidence, class_="note"),
        el("img", src=source, alt=f"{row.alert}: value and expected band") if source else None,
    ]
    return el("article", parts)


def _clock(at: float | None) -> str:
    return "-" if at is None else utc(at)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
