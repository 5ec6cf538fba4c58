"""Why an alert was raised, all that is known of it on one page: what `andon explain` says.

Input: the spool and the rules of a site. Output: an `Explanation`, made of what was stored when it was raised; nothing
is computed again, so it is what the detectors saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.ledger import Gap
from collector.spool.spool import Spool
from deploy.alerts import AlertError, alerts_in
from deploy.bands import NUMBERS, Band, band_key, bands_in, records_in
from deploy.instants import utc, utc_of_ns
from deploy.report_page import said
from deploy.site import SiteFile
from detectors.alerts import Alert
from detectors.scorecard import rule_of

_AROUND_NS = 900 * NS_PER_S  # gaps nearer than this are told
_BEFORE_S, _AFTER_S = 600.0, 300.0  # of the raising: the band that is shown
_ROWS = 12
_LATER_NS = 2**62
_SHARE, _RATIO = "_share_ratio", "_ratio"  # how the evidence calls what a signal or metric contributed


class Explanation(msgspec.Struct, kw_only=True):
    """`band`: rows of time, value, low, mid, high and score around the raising. `shares`: what contributed how much
    (0 to 1), the most first. `exposures`: those that name the alert as a cause.
    """

    alert: dict[str, Any]
    rule: dict[str, Any] | None
    band: list[dict[str, float | None]]
    shares: dict[str, float]
    gaps: list[str]
    exposures: list[dict[str, Any]]


def explain(site: SiteFile, spool: Spool, name: str) -> Explanation:
    """What is known of an alert, by its id, or by its key: then of its last occurrence. Raises AlertError."""
    alert = alert_named(spool, name)
    rule = next((bound.rule for bound in site.rules if bound.name == rule_of(alert)), None)
    band = bands_in(spool, [band_key(alert)]).get(band_key(alert))
    return Explanation(
        alert=msgspec.to_builtins(alert),
        rule=msgspec.to_builtins(rule) if rule else None,
        band=_rows(band, alert) if band else [],
        shares=shares_of(alert),
        gaps=[_gap(gap) for gap in _gaps_near(spool, alert)],
        exposures=_exposures(spool, alert),
    )


def alert_named(spool: Spool, name: str) -> Alert:
    """Raises AlertError, naming what it may have meant."""
    alerts = alerts_in(spool)
    found = [alert for alert in alerts if name in (alert.alert_id, alert.key)]
    if found:
        return max(found, key=lambda alert: alert.fired_at_ns)
    near = [alert.alert_id for alert in alerts if name in alert.alert_id]
    meant = f"; did you mean {', '.join(near[:3])}?" if near else ""
    raise AlertError(f"no alert {name!r} in {spool.path}{meant}; see `andon alerts list --everything`")


def shares_of(alert: Alert) -> dict[str, float]:
    """What contributed how much to the score, as the method's evidence has it, the most first.

    Those called a share, else ratios that make up the whole.
    """
    numbers = {name: float(value) for name, value in alert.evidence.items() if isinstance(value, int | float)}
    shares = {name.removesuffix(_SHARE): value for name, value in numbers.items() if name.endswith(_SHARE)}
    if not shares:
        ratios = {name.removesuffix(_RATIO): value for name, value in numbers.items() if name.endswith(_RATIO)}
        shares = ratios if len(ratios) > 1 and math.isclose(sum(ratios.values()), 1.0, abs_tol=0.02) else {}
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def told(found: Explanation) -> Iterator[str]:
    """The explanation in lines for people."""
    alert = msgspec.convert(found.alert, Alert)
    yield f"{alert.alert_id}: {alert.severity}, {alert.state}"
    yield f"  raised {utc_of_ns(alert.fired_at_ns)} UTC, active since {utc_of_ns(alert.active_at_ns)}"
    if alert.resolved_at_ns:
        yield f"  cleared {utc_of_ns(alert.resolved_at_ns)} UTC"
    if alert.suppressed_by:
        yield f"  hidden by design: {alert.suppressed_by}"
    for comment in alert.comments:
        yield f"  {utc_of_ns(comment.at_ns)} {comment.who}: {comment.text}"
    if alert.verdict:
        yield f"  said to be {alert.verdict}"
    yield f"Method: {alert.kind}"
    yield f"Rule: {rule_of(alert)}{_rule(found.rule)}"
    yield f"Consequence: {alert.consequence or '-'}; response: {alert.response or '-'}"
    yield "Evidence when it was raised:"
    yield from (f"  {name}: {said(name, value)}" for name, value in alert.evidence.items())
    if found.shares:
        yield "What contributed:"
        yield from (f"  {name}: {share:.0%}" for name, share in found.shares.items())
    yield "Expected and seen (UTC):" if found.band else "Expected and seen: the method keeps no band for this"
    yield from (_band_line(row) for row in found.band)
    yield "Known to be missing nearby:" if found.gaps else "Known to be missing nearby: nothing"
    yield from (f"  {gap}" for gap in found.gaps)
    yield "The chain:" if found.exposures else "The chain: no exposure names this alert"
    yield from (f"  {_exposure(one)}" for one in found.exposures)


def _rows(band: Band, alert: Alert) -> list[dict[str, float | None]]:
    """The band's points around the raising, thinned evenly."""
    at = alert.fired_at_ns / NS_PER_S
    near = band.between(at - _BEFORE_S, at + _AFTER_S)
    chosen = np.unique(np.linspace(0, len(near.at) - 1, min(_ROWS, len(near.at))).round().astype(int))
    rows = (tuple(float(column[i]) for column in near) for i in chosen)
    return [dict(zip(("at", *NUMBERS), map(_number, row), strict=True)) for row in rows]


def _gaps_near(spool: Spool, alert: Alert) -> Sequence[Gap]:
    until_ns = (alert.resolved_at_ns or alert.fired_at_ns) + _AROUND_NS
    from_ns = (alert.active_at_ns or alert.fired_at_ns) - _AROUND_NS
    site = alert.shard.partition("/")[0]
    of_site = (gap for gap in spool.ledger.between(site, from_ns, until_ns) if gap.asset == site)
    return list(dict.fromkeys([*spool.ledger.between(alert.shard, from_ns, until_ns), *of_site]))


def _exposures(spool: Spool, alert: Alert) -> list[dict[str, Any]]:
    """The last word while the alert stood on everything it was a cause of."""
    names, until_ns = {alert.key, alert.alert_id}, alert.resolved_at_ns or _LATER_NS
    last = {}
    for record in records_in(spool, schema.EXPOSURE.name):
        stood = alert.active_at_ns <= record.at_ns <= until_ns
        if stood and names.intersection(record.detail.get("causes", ())):
            last[record.key] = record.detail
    return list(last.values())


def _rule(rule: dict[str, Any] | None) -> str:
    if rule is None:
        return " (no longer in site.toml)"
    return f", on {rule['metric']}, for {rule['for_s']:g} s, keeps firing for {rule['keep_firing_for_s']:g} s"


def _gap(gap: Gap) -> str:
    note = f" ({gap.note})" if gap.note else ""
    return f"{gap.asset}: {gap.missing} {gap.cause}, {utc_of_ns(gap.from_ns)} to {utc_of_ns(gap.to_ns)}{note}"


def _band_line(row: dict[str, float | None]) -> str:
    at = row["at"] or 0.0
    return f"  {utc(at)}  " + "  ".join(f"{name} {_cell(row[name])}" for name in NUMBERS)


def _exposure(detail: dict[str, Any]) -> str:
    names = ("node", "material", "days_of_supply_d", "time_to_survive_d", "lost_per_d", "best_action")
    return ", ".join(f"{name} {said(name, detail[name])}" for name in names if detail.get(name) is not None)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
