"""Whom a rule speaks about on one line: of each subject what was last said, and the alert that hangs on it.

Written by `detectors.watch`; read, and moved by what people do, by `detectors.line`. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from collector.readings import NS_PER_S, Series
from collector.spool.frames import Control
from detectors.alerts import Alert, State, apply_control
from detectors.engine import ShardOutput
from detectors.outputs import event_output, expected_output, level_output
from detectors.watched import Seen

_LEVEL_AFTER_CLOSING_NS = 300 * NS_PER_S
_AT_REST = (State.NORMAL, State.RTN_UNACKED)


class Subjects:
    """`seen`: all of them by name. A look passes over those at rest."""

    def __init__(self, rule: str, method: str, series: Mapping[int, Series]) -> None:
        self._rule = rule
        self._method = method
        self._series = series
        self.seen: dict[str, Seen] = {}
        self._stirring: set[str] = set()

    def stir(self, *names: str) -> None:
        """These are looked at from now on, until they are at rest."""
        self._stirring.update(names)

    def let_rest(self, name: str) -> None:
        """Passes over a subject from now on if nothing is said of it and no alert of it is open."""
        if is_at_rest(self.seen[name]):
            self._stirring.discard(name)

    def alerts(self) -> Iterable[Alert]:
        """Of every subject the alert as it is, open or not."""
        return (seen.alert for seen in self.seen.values() if not seen.error)

    def told(self) -> Iterable[Alert]:
        """What stands and was told."""
        return (seen.alert for _, seen in self.stirred() if seen.alert.is_told and not seen.error)

    def stops(self) -> tuple[list[Alert], bool]:
        """The alerts of outputs that stand still, and whether no other output of this rule runs."""
        standing = [seen.alert for _, seen in self.stirred() if seen.alert.is_open and _stands(seen)]
        return standing, bool(standing) and all(_stands(seen) for seen in self.seen.values() if not seen.error)

    def turn_back(self, at_ns: int) -> None:
        """The site's clock was set back to `at_ns`: nothing that is waited for began later than that."""
        for seen in self.seen.values():
            seen.at_ns, seen.level_ns = min(seen.at_ns, at_ns), min(seen.level_ns, at_ns)
            seen.judged_ns = min(seen.judged_ns, at_ns)
            seen.bucket.turn_back(at_ns)
            seen.alert = _turned_back(seen.alert, at_ns)

    def take(self, control: Control) -> list[ShardOutput]:
        """Applies what a person did, if it is about an alert of this rule."""
        said = []
        for seen in self.seen.values():
            if seen.alert.alert_id == control.alert_id and seen.alert.state is not State.PENDING:
                seen.alert = apply_control(seen.alert, control)
                said += [event_output(seen.alert), level_output(seen.alert, control.at_ns)]
            elif seen.waiting is not None and seen.waiting.alert_id == control.alert_id:
                answered = apply_control(seen.waiting, control)
                said.append(event_output(answered))
                seen.waiting = answered if answered.state is State.RTN_UNACKED else None
        return said

    def levels(self, at_ns: int) -> list[ShardOutput]:
        """The bands that are new since the last call, and the level of every alert that is open or closed lately."""
        said = []
        for seen in self.seen.values():
            if seen.at_ns > seen.level_ns and not math.isnan(seen.point.value):
                seen.level_ns = seen.at_ns
                series = self._series[seen.series]
                said.append(expected_output(self._rule, self._method, series, seen.at_ns, seen.point))
            if seen.alert.is_open or _closed_lately(seen.alert, at_ns):
                said.append(level_output(seen.alert, at_ns))
        return said

    def open_alert(self) -> Alert | None:
        """One alert of this rule that stands now, to be named as a cause; what is held back is none."""
        open_ones = (seen.alert for _, seen in self.stirred() if seen.alert.is_open and not seen.error)
        return next((alert for alert in open_ones if not alert.needed_score), None)

    def stirred(self) -> list[tuple[str, Seen]]:
        """The subjects not at rest, in the order in which they were met."""
        if not self._stirring:
            return []
        return [(name, seen) for name, seen in self.seen.items() if name in self._stirring]


def is_at_rest(seen: Seen) -> bool:
    return seen.alert.state in _AT_REST and not seen.point.score >= 1.0


def _closed_lately(alert: Alert, at_ns: int) -> bool:
    """Its level goes on at 0 for a while, so that Grafana resolves by value and not by missing data."""
    return bool(alert.fired_at_ns) and at_ns - alert.resolved_at_ns <= _LEVEL_AFTER_CLOSING_NS


def _stands(seen: Seen) -> bool:
    return seen.point.score >= 1.0 and seen.point.value <= 0.0


def _turned_back(alert: Alert, at_ns: int) -> Alert:
    """The alert on a clock that was set back to `at_ns`: delays that run began no later, so they end in time.

    When it fired stays as it was told, and with it the alert's id.
    """
    return msgspec.structs.replace(
        alert,
        active_at_ns=min(alert.active_at_ns, at_ns) if alert.state is State.PENDING else alert.active_at_ns,
        clear_since_ns=min(alert.clear_since_ns, at_ns),
        unhidden_since_ns=min(alert.unhidden_since_ns, at_ns),
        last_fired_ns=alert.last_fired_ns if alert.last_fired_ns <= at_ns else 0,
        resolved_at_ns=min(alert.resolved_at_ns, at_ns),
    )
