"""The sink itself: takes what the log says of alerts, tells Alertmanager what is due, and all of it now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from collector.rows import RowEncoder
from collector.sinks.alertmanager.open_alerts import OpenAlerts, Told
from collector.sinks.alertmanager.options import Options
from collector.sinks.sink import Parcel, SinkRejected, SinkUnavailable

_AT_ONCE = 250  # alerts a post: about 150 kB


class Posts(Protocol):
    def post(self, alerts: Sequence[dict[str, Any]]) -> str | None: ...


class Alertmanager:
    """A Sink. Told after a failure: everything that stands, for the other side may have begun anew."""

    def __init__(
        self,
        options: Options,
        door: Posts,
        now_ns: Callable[[], int] = time.time_ns,
        passed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resend_s = options.resend_s
        self._door = door
        self._now_ns = now_ns
        self._passed_s = passed_s
        self._alerts = OpenAlerts(options)
        self._sent_all_s: float | None = None

    def write(self, parcel: Parcel) -> None:
        """Tells what is due. Raises SinkUnavailable to try again; SinkRejected for levels it never will take."""
        if not parcel.frames:
            return
        now_ns = self._now_ns()
        for frame in parcel.frames:
            self._alerts.take(frame, now_ns)
        everything = self._is_resend_due()
        heartbeat = self._alerts.heartbeat(now_ns)
        due = self._alerts.due(now_ns, everything=everything) + (heartbeat if everything else [])
        refused = self._told(due, heartbeat)
        self._alerts.told(one for one, _ in refused)
        if everything:
            self._sent_all_s = self._passed_s()
        _reject(parcel, refused)

    def close(self) -> None:
        """All is sent again by the next write."""
        self._sent_all_s = None

    def _is_resend_due(self) -> bool:
        return self._sent_all_s is None or self._passed_s() - self._sent_all_s >= self._resend_s

    def _told(self, due: Sequence[Told], heartbeat: Sequence[Told]) -> list[tuple[Told, str]]:
        """Posts all of it; what is refused for good, each with the reason. Raises SinkUnavailable."""
        refused: list[tuple[Told, str]] = []
        try:
            for portion in _portions(due):
                reason = self._door.post([one.body for one in portion])
                if reason is not None:
                    self._require_a_witness(heartbeat, reason)
                    refused += self._one_by_one(portion)
        except SinkUnavailable:
            self._sent_all_s = None
            raise
        return refused

    def _require_a_witness(self, heartbeat: Sequence[Told], reason: str) -> None:
        """One that refuses even the heartbeat refuses everything: that is being away. Raises SinkUnavailable."""
        if not heartbeat or self._door.post([one.body for one in heartbeat]) is not None:
            raise SinkUnavailable(f"alertmanager refuses what it is told ({reason}): see its log, is `url` right?")

    def _one_by_one(self, portion: Sequence[Told]) -> Iterator[tuple[Told, str]]:
        for one in portion:
            reason = self._door.post([one.body])
            if reason is not None:
                yield one, reason


def _portions(due: Sequence[Told]) -> Iterator[Sequence[Told]]:
    for first in range(0, len(due), _AT_ONCE):
        yield due[first : first + _AT_ONCE]


def _reject(parcel: Parcel, refused: Sequence[tuple[Told, str]]) -> None:
    """Names the refused levels as rows of the parcel; one that came with an earlier parcel is a dead letter already."""
    frames = {frame.offset: frame for frame in parcel.frames}
    encoder = RowEncoder(parcel.series)
    rows = {encoder.body(frames[one.offset]): reason for one, reason in refused if one.offset in frames}
    if rows:
        raise SinkRejected("; ".join(dict.fromkeys(rows.values())), [parcel.rows.index(row) for row in rows])
