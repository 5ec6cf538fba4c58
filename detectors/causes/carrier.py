"""Carries the alerts of a line to the lines it feeds: a stop upstream is the cause that a line cannot see by itself.

Input: the alert records of all lines, in the log. Output: `AlertNews`, control frames for each line that hears the one
whose alert it is, so that a replay is the same run and a line still reads nothing but its own log. Its place moves with
what it wrote in one transaction. In a fleet it is one more worker, as the keeper of the alarm budget is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from collector import schema
from collector.spool.frames import Frame, FrameKind, Record, alert_news_frame
from collector.spool.spool import Spool
from collector.spool.state import ShardState
from detectors.alerts import Alert
from detectors.causes.standing import news_of
from detectors.flow import Flow

PLACE = "_causes"  # where it stands among the lines' states
_CARRIED = ("output_drop",)  # the methods whose alerts explain those of other lines
_VERSION = 1
_FRAMES_AT_ONCE = 500
_COMMIT_AFTER = 20_000  # offsets passed over without anything of note


class Carrier:
    """Owned by the thread of the detectors. Does nothing on a site whose map feeds no line from another.

    Raises Fenced when two of them work on one spool.
    """

    def __init__(self, spool: Spool, flow: Flow) -> None:
        self._spool = spool
        self._flow = flow
        self._kept = spool.states.load(PLACE)
        self._offset = self._kept.offset

    def step(self) -> int:
        """Takes in what is new in the log; returns how many frames it wrote for the lines."""
        if not any(self._flow.upstream.values()):
            return 0
        written = 0
        while frames := self._spool.log.read(self._offset, _FRAMES_AT_ONCE, kinds=(FrameKind.RECORD,)):
            written += self._take(frames)
        return written

    def _take(self, frames: Sequence[Frame]) -> int:
        self._offset = frames[-1].offset
        latest = {alert.key: alert for alert in _alerts(frames)}
        carried = [
            alert_news_frame(line, news_of(alert), alert.changed_at_ns)
            for alert in latest.values()
            for line in self._flow.fed_by(alert.shard)
        ]
        if not (carried or self._offset - self._kept.offset > _COMMIT_AFTER):
            return 0
        after = ShardState(self._offset, self._kept.rev + 1, _VERSION, b"")
        with self._spool.transaction():
            self._spool.log.append(carried)
            self._spool.states.commit(PLACE, after.offset, after.version, after.body, self._kept.rev)
        self._kept = after
        return len(carried)


def _alerts(frames: Sequence[Frame]) -> Iterator[Alert]:
    """The alerts worth carrying among the records, in order of the log."""
    for frame in frames:
        body = frame.body
        if (
            isinstance(body, Record)
            and body.measurement == schema.ALERT_EVENT.name
            and body.detail.get("kind") in _CARRIED
        ):
            yield msgspec.convert(body.detail, Alert)
