"""A report written down: report.json for machines, report.md for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from deploy.report import Report


def write_report(report: Report, folder: Path) -> None:
    """report.json and report.md in `folder`, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    body = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (folder / "report.json").write_bytes(body + b"\n")
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")


def as_markdown(report: Report) -> str:
    warned = [one for one in report.shortages if one.lead_time_s is not None]
    parts = [
        f"# What happened at {report.site}",
        _table(
            ("messages", "count"),
            [
                ("published", report.published),
                ("stored", report.stored),
                ("dead-lettered", report.dead_lettered),
                ("lost", report.lost),
                ("duplicates visible", report.duplicates_visible),
            ],
        ),
        f"## Stocks that ran empty: {len(report.shortages)}, warned of: {len(warned)}, "
        f"false shortage alerts: {report.false_shortage_alerts}",
        _table(
            ("stock", "empty at (UTC)", "warned at", "lead time, s"),
            [(s.subject, _clock(s.empty_at), _clock(s.warned_at), _whole(s.lead_time_s)) for s in report.shortages],
        ),
        f"## Stops: {len(report.stops)}",
        _table(
            ("counter", "from (UTC)", "to", "length, s", "raised at", "suppressed"),
            [
                (
                    s.subject,
                    _clock(s.start),
                    _clock(s.end),
                    _whole(s.end - s.start),
                    _clock(s.raised_at),
                    _yes(s.suppressed),
                )
                for s in report.stops
            ],
        ),
        *_faults(report),
        f"## Alerts: {len(report.alerts)}",
        _table(
            ("raised at (UTC)", "cleared at", "alert", "state", "evidence"),
            [(_clock(a.raised_at), _clock(a.cleared_at), a.key, a.state, _evidence(a.evidence)) for a in report.alerts],
        ),
        f"## Exposures: {len(report.exposures)}",
        _table(
            ("node", "material", "days of supply", "time to survive, d", "lost per day", "best action"),
            [
                tuple(
                    e.get(k)
                    for k in ("node", "material", "days_of_supply_d", "time_to_survive_d", "lost_per_d", "best_action")
                )
                for e in report.exposures
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _faults(report: Report) -> list[str]:
    if not report.faults:
        return []
    rows = [
        (one.fault, one.line, _clock(one.start), _clock(one.end), ", ".join((*one.alerts, *one.gaps)) or "-")
        for one in report.faults
    ]
    return [
        f"## Faults of the plant: {len(rows)}",
        _table(("fault", "line", "from (UTC)", "to", "alerts and gaps"), rows),
    ]


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
    return "-" if at is None else dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _evidence(evidence: dict[str, object]) -> str:
    return ", ".join(f"{name} {_said(name, value)}" for name, value in evidence.items())


def _said(name: str, value: object) -> str:
    """A value of evidence; those that are instants (`..._at_s`, `..._since_s`) as a clock shows them."""
    is_instant = name.endswith(("_at_s", "since_s")) and isinstance(value, float)
    return _clock(value) if is_instant and isinstance(value, float) else _cell(value)
