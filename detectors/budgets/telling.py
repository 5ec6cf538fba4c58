"""Whether somebody is told of an alert now: hidden by design, a child of a stopped line, one of a group, or held back.

Input: one look of a line: what hides it as a whole, the score that the plant's budget asks for, the alerts that stand
told. Output: for each alert why it is hidden, in the order above. Facts (a method's `is_fact`: stops, silence, limits,
shortages) are hidden by design only. Nothing hidden is lost: it is an alert in state SUPPRESSED with its reason, and is
shown as soon as the reason is gone while it still stands.

Source: ISA-18.2-2016, suppression by design and state-based alarming; EEMUA 191 (2013), grouping and first-up alarms.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from collector.readings import NS_PER_S
from collector.schema import STATE_OF_LEVEL
from detectors.alerts import Alert, State
from detectors.causes.standing import Standing

_BEFORE_TOLD = (State.NORMAL, State.RTN_UNACKED, State.PENDING, State.SUPPRESSED)


class Hidden(msgspec.Struct, frozen=True):
    """Why nobody should be told now, the alert that is the cause, if one is, and the score the budget asked for."""

    why: str = ""
    cause_key: str = ""
    needed_score: float = 0.0


NOT_HIDDEN = Hidden()


class Look:
    """One look at a line's alerts. `told` fills while its rules are gone through: first up leads a group.

    `stops`: the alerts of its outputs that stand still; `all_stopped`: no other output of the line runs. `standing`:
    the alerts on what the line's methods measure as causes.
    """

    def __init__(
        self,
        at_ns: int,
        *,
        needed_score: float = 1.0,
        together_s: float = 0.0,
        told: Iterable[Alert] = (),
        standing: Standing | None = None,
    ) -> None:
        self.at_ns = at_ns
        self.standing = standing or Standing()
        self._needed_score = needed_score
        self._together_ns = int(together_s * NS_PER_S)
        self._told = {alert.key: alert for alert in told}
        self._stops: list[Alert] = []
        self._all_stopped = False

    def tell(self, alert: Alert) -> None:
        """This alert stands, and somebody is told of it."""
        self._told[alert.key] = alert

    def stop(self, alerts: Iterable[Alert], *, all_stopped: bool) -> None:
        """These outputs stand still."""
        self._stops += alerts
        self._all_stopped = self._all_stopped or (all_stopped and bool(self._stops))

    def why_hidden(self, alert: Alert, score: float, needed_score: float, *, in_stop: bool) -> Hidden:
        """Of an alert that the budget bounds. `needed_score`: what its own key's budget asks for."""
        active_at_ns = alert.active_at_ns if alert.state in (State.PENDING, *_told_states) else self.at_ns
        stop = None if in_stop else self._stop_of(alert, active_at_ns)
        if stop is not None:
            return Hidden(f"its line stands: {stop.key}", stop.key)
        if alert.state not in _BEFORE_TOLD:
            return NOT_HIDDEN
        leader = self._leader_of(alert, active_at_ns)
        if leader is not None:
            return Hidden(f"together with {leader.key}", leader.key)
        needed = self._needed_score * needed_score
        if score < needed:
            return Hidden(f"alarm budget: {needed:.1f} times its threshold needed", "", needed)
        return NOT_HIDDEN

    def _stop_of(self, alert: Alert, active_at_ns: int) -> Alert | None:
        """The stop that explains it: of its line, or of its cell while others run. What began before leads to it."""
        for stop in self._stops:
            is_same_cell = _cell_of(stop) == _cell_of(alert)
            if (self._all_stopped or is_same_cell) and active_at_ns >= _began_ns(stop):
                return stop
        return None

    def _leader_of(self, alert: Alert, active_at_ns: int) -> Alert | None:
        """The first told alert that was raised about when this one began, and is as severe."""
        leaders = (
            one
            for one in self._told.values()
            if one.key != alert.key
            and abs(active_at_ns - one.fired_at_ns) <= self._together_ns
            and STATE_OF_LEVEL[one.severity] >= STATE_OF_LEVEL[alert.severity]
        )
        return min(leaders, key=lambda one: (one.fired_at_ns, one.key), default=None)


_told_states = (State.UNACKED, State.ACKED, State.SUPPRESSED, State.SHELVED)


def _began_ns(stop: Alert) -> int:
    """When the line's last unit was counted, as far as its evidence says."""
    since_s = stop.evidence.get("stopped_since_s")
    return int(since_s * NS_PER_S) if isinstance(since_s, float) else stop.active_at_ns


def _cell_of(alert: Alert) -> str:
    return alert.series.rpartition(":")[0]
