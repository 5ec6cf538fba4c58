"""The alerts that may be the cause of others: those of the own line as they are, those of other lines as the log says.

Input: `AlertNews` that `detectors.causes.carrier` wrote into the log for this line, and the line's own alerts. Output:
the open alert on a measured cause, whatever its rule is called. Pure: a value that the line keeps in its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from collector.schema import STATE_OF_LEVEL
from collector.spool.frames import AlertNews
from detectors.alerts import Alert, State
from detectors.detector import Cause

_MOST = 256  # alerts of other lines; the one heard of longest ago goes first


def news_of(alert: Alert) -> AlertNews:
    """What another line, or another rule, may know of an alert.

    It stands as a cause if a person sees it, or the cause that hides it; not where a planned stop or a budget does.
    """
    seen = alert.is_told or alert.state is State.SHELVED or (alert.state is State.SUPPRESSED and bool(alert.cause_key))
    return AlertNews(
        key=alert.key,
        kind=alert.kind,
        subject=alert.subject,
        series=alert.series,
        severity=alert.severity,
        active_at_ns=alert.active_at_ns,
        resolved_at_ns=0 if alert.is_open else alert.resolved_at_ns or alert.changed_at_ns,
        stands=seen,
    )


class Standing:
    """`heard`: the latest news of each alert of other lines, by key; `own`: the line's alerts at this moment."""

    def __init__(self, heard: dict[str, AlertNews] | None = None, own: Callable[[], Iterable[Alert]] = tuple) -> None:
        self.heard = heard or {}
        self._own = own

    def hear(self, news: AlertNews) -> None:
        """Takes in news; those of an occurrence before the one known are passed over."""
        known = self.heard.get(news.key)
        if known is not None and known.active_at_ns > news.active_at_ns:
            return
        self.heard.pop(news.key, None)
        self.heard[news.key] = news
        if len(self.heard) > _MOST:
            del self.heard[next(iter(self.heard))]

    def on(self, cause: Cause, alert: Alert) -> AlertNews | None:
        """The alert that stands on a measured cause and is as severe as the one it would hide."""
        return next((one for one in self._all() if one.stands and _hides(one, alert) and _is_on(one, cause)), None)

    def lingering(self, alert: Alert, at_ns: int) -> AlertNews | None:
        """The cause of the same kind that hid an alert, while it stands or its effect may still be on its way.

        What took so long to arrive takes as long to leave: a line starts again so long after the one before it.
        """
        cause = next((one for one in self._all() if one.key == alert.cause_key and one.kind == alert.kind), None)
        if cause is None or cause.key == alert.key:
            return None
        lag_ns = max(alert.active_at_ns - cause.active_at_ns, 0)
        return cause if cause.stands or at_ns < cause.resolved_at_ns + lag_ns else None

    def _all(self) -> Iterable[AlertNews]:
        yield from (news_of(alert) for alert in self._own() if alert.active_at_ns)
        yield from self.heard.values()


def _hides(news: AlertNews, alert: Alert) -> bool:
    return news.key != alert.key and STATE_OF_LEVEL[news.severity] >= STATE_OF_LEVEL[alert.severity]


def _is_on(news: AlertNews, cause: Cause) -> bool:
    """Whether an alert is about the series that is the cause, or about all such counters of its line together."""
    place, _, metric = cause.series.partition(":")
    together = f"{'/'.join(place.split('/')[:2])}:{metric}"
    return (news.kind == cause.kind and cause.series in (news.series, news.subject)) or (
        news.kind == cause.kind and news.subject == together
    )
