"""A report written down: report.json for machines, report.md for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from deploy.instants import utc
from deploy.report import Report
from deploy.shortages import RULE


def write_report(report: Report, folder: Path) -> None:
    """report.json and report.md in `folder`, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    body = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (folder / "report.json").write_bytes(body + b"\n")
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")


def as_markdown(report: Report) -> str:
    sections = (_messages, _shortages, _stops, _faults, _alerts, _exposures)
    parts = [part for section in sections for part in section(report)]
    return "\n\n".join([f"# What happened at {report.site}", *parts]) + "\n"


def _messages(report: Report) -> list[str]:
    names = ("published", "stored", "dead_lettered", "lost", "duplicates_visible")
    said = {"dead_lettered": "dead-lettered", "duplicates_visible": "duplicates visible"}
    return [_table(("messages", "count"), [(said.get(name, name), getattr(report, name)) for name in names])]


def _shortages(report: Report) -> list[str]:
    warned = [one for one in report.shortages if one.lead_time_s is not None]
    rows = [(s.subject, _clock(s.empty_at), _clock(s.warned_at), _whole(s.lead_time_s)) for s in report.shortages]
    return [
        f"## Stocks that ran empty: {len(report.shortages)}, warned of: {len(warned)}, "
        f"false shortage alerts: {report.false_shortage_alerts}",
        f"{RULE} Alerts whose stock was not empty, for whatever reason: {report.shortage_alerts_not_empty}.",
        _table(("stock", "empty at (UTC)", "warned at", "lead time, s"), rows),
    ]


def _stops(report: Report) -> list[str]:
    rows = [
        (s.subject, _clock(s.start), _clock(s.end), _whole(s.end - s.start), _clock(s.raised_at), _yes(s.suppressed))
        for s in report.stops
    ]
    head = ("counter", "from (UTC)", "to", "length, s", "raised at", "suppressed")
    return [f"## Stops: {len(rows)}", _table(head, rows)]


def _faults(report: Report) -> list[str]:
    rows = [
        (one.fault, one.line, _clock(one.start), _clock(one.end), ", ".join((*one.alerts, *one.gaps)) or "-")
        for one in report.faults
    ]
    head = ("fault", "line", "from (UTC)", "to", "alerts and gaps")
    return [f"## Faults of the plant: {len(rows)}", _table(head, rows)] if rows else []


def _alerts(report: Report) -> list[str]:
    rows = [(_clock(a.raised_at), _clock(a.cleared_at), a.key, a.state, _evidence(a.evidence)) for a in report.alerts]
    head = ("raised at (UTC)", "cleared at", "alert", "state", "evidence")
    return [f"## Alerts: {len(rows)}", _table(head, rows)]


def _exposures(report: Report) -> list[str]:
    names = ("node", "material", "days_of_supply_d", "time_to_survive_d", "lost_per_d", "best_action")
    head = ("node", "material", "days of supply", "time to survive, d", "lost per day", "best action")
    rows = [tuple(exposure.get(name) for name in names) for exposure in report.exposures]
    return [f"## Exposures: {len(rows)}", _table(head, rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _clock(at: float | None) -> str:
    return "-" if at is None else utc(at)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _evidence(evidence: dict[str, object]) -> str:
    return ", ".join(f"{name} {said(name, value)}" for name, value in evidence.items())


def said(name: str, value: object) -> str:
    """A value of evidence; those that are instants (`..._at_s`, `..._since_s`) as a clock shows them."""
    is_instant = name.endswith(("_at_s", "since_s")) and isinstance(value, float)
    return _clock(value) if is_instant and isinstance(value, float) else _cell(value)
