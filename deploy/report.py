"""The report of a run as data: the keys of report.json. `deploy.audit` makes it, `deploy.report_page` writes it.

All instants are event time in epoch seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Shortage(msgspec.Struct):
    """One time a stock ran empty; `warned_at` and `lead_time_s` are None when nobody was warned."""

    subject: str
    empty_at: float
    warned_at: float | None
    lead_time_s: float | None


class Stop(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """One stretch without a count; `raised_at` None: no alert; `suppressed`: shown as such, nobody was called."""

    subject: str
    start: float
    end: float
    raised_at: float | None
    suppressed: bool


class AlertRow(msgspec.Struct):
    key: str
    kind: str
    subject: str
    state: str
    severity: str
    raised_at: float
    cleared_at: float | None
    suppressed: str
    acked_by: str
    evidence: dict[str, Any]


class Fault(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """One fault of a simulated plant, the alerts raised on its line meanwhile or soon after, and the gaps."""

    fault: str
    line: str
    start: float
    end: float
    alerts: list[str]
    gaps: list[str]


class Report(msgspec.Struct):
    """The keys of report.json. The first five counts are of messages; `deploy.shortages` has the rule of a false alert.

    `shortage_alerts_not_empty`: all whose stock was not empty soon after, the excused among them.
    """

    site: str
    published: int
    stored: int
    dead_lettered: int
    lost: int
    duplicates_visible: int
    alerts: list[AlertRow]
    shortages: list[Shortage]
    shortage_alerts_not_empty: int
    false_shortage_alerts: int
    stops: list[Stop]
    exposures: list[dict[str, Any]]
    faults: list[Fault] = []
