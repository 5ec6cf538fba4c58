"""Reads a spool into a BoardState, piece by piece: the board's own eyes, which never write.

`refresh` takes in what is new in the log, `state` says how things stand. What is kept is bounded by the window and by
the number of lines, stocks and open alerts; the log itself is read once. Owned by one thread, like the spool it reads.
"""

from __future__ import annotations

from collections.abc import Collection

from collector import schema
from collector.readings import NS_PER_S, Batch
from collector.spool.frames import Control, Frame, FrameKind, Record
from collector.spool.spool import Spool
from dashboards.live import chain
from dashboards.live.alarms import AlertMemory
from dashboards.live.chain import ChainMemory
from dashboards.live.lines import LineMemory, number
from dashboards.live.state import BoardState, LineView, Pulse, StockView
from dashboards.live.window import Span
from detectors.calendar import Calendar

WINDOW_S = 2 * 3600.0
DETECTORS_LATE_NS = 120 * NS_PER_S  # of site time without a beat: what the board says about alerts may be old
_FRAMES_A_LOOK = 500


class View:
    """`nodes` are the names on the chain's map, None for all that were ever said."""

    def __init__(
        self,
        spool: Spool,
        *,
        title: str,
        timezone: str = "UTC",
        calendar: Calendar | None = None,
        nodes: Collection[str] | None = None,
        window_s: float = WINDOW_S,
    ) -> None:
        self._spool = spool
        self._title = title
        self._timezone = timezone
        self._calendar = calendar or Calendar(timezone)
        self._window_s = window_s
        self._lines: dict[str, LineMemory] = {}
        self._alerts = AlertMemory()
        self._chain = ChainMemory(nodes)
        self._beat: Record | None = None
        self._known_up_to = spool.log.end()
        self._recall()
        self._position = self._start()

    def refresh(self, limit: int = _FRAMES_A_LOOK) -> bool:
        """Takes in up to `limit` frames; True when there may be more."""
        frames = self._spool.log.read(self._position, limit)
        for frame in frames:
            self._take(frame)
            self._position = frame.offset
        return len(frames) == limit

    def state(self) -> BoardState:
        now_ns = self._spool.log.clock_ns()
        from_ns = now_ns - int(self._window_s * NS_PER_S)
        self._alerts.forget(from_ns)
        pulse = self._pulse(now_ns)
        return BoardState(
            title=self._title,
            timezone=self._timezone,
            pulse=pulse,
            notices=notices(pulse),
            lines=self._line_views(now_ns, from_ns),
            stocks=self._stock_views(now_ns, from_ns),
            alerts=self._alerts.open(),
            set_aside=self._alerts.set_aside(),
            returned=self._alerts.returned(),
            nodes=self._chain.nodes(),
            arcs=self._chain.arcs(),
            exposures=self._chain.exposures(),
        )

    def close(self) -> None:
        self._spool.close()

    def _recall(self) -> None:
        """What was said before this board was opened, as the spool keeps it."""
        for measurement in (schema.ALERT_EVENT.name, schema.WATCH_BEAT.name, *chain.MEASUREMENTS):
            for record in self._spool.log.latest(measurement):
                self._keep(record)
        for record in self._spool.log.latest(schema.EXPECTED.name):
            self._expect(record, is_latest=True)

    def _start(self) -> int:
        """An offset before the window, found by halving: ticks rise with the log."""
        from_ns = self._spool.log.clock_ns() - int(self._window_s * NS_PER_S)
        low, high = 0, self._spool.log.end()
        while high - low > 1:
            middle = (low + high) // 2
            ticks = self._spool.log.read(middle, 1, kinds=(FrameKind.TICK,))
            low, high = (middle, high) if ticks and ticks[0].at_ns < from_ns else (low, middle)
        return low

    def _take(self, frame: Frame) -> None:
        match frame.body:
            case Batch() as batch:
                if not _is_self(frame.shard):
                    self._line(frame.shard).took(batch, self._spool.series)
            case Control() as control:
                self._alerts.did(control)
            case Record() as record:
                if record.measurement == schema.EXPECTED.name:
                    self._expect(record)
                elif frame.offset > self._known_up_to:  # what was said before is known in its latest version
                    self._keep(record)

    def _keep(self, record: Record) -> None:
        if record.measurement == schema.ALERT_EVENT.name:
            self._alerts.keep(record)
        elif record.measurement in chain.MEASUREMENTS:
            self._chain.keep(record)
        elif record.measurement == schema.WATCH_BEAT.name:
            self._beat = record

    def _expect(self, record: Record, *, is_latest: bool = False) -> None:
        shard = "/".join(record.tags[level] for level in ("site", "line") if record.tags.get(level))
        if _is_self(shard):
            return
        line = self._line(shard)
        if record.tags["method"] == "shortage":
            line.estimated(record.key.partition("|")[2], record)
        elif record.tags["method"] == "output_drop":
            (line.recalled if is_latest else line.judged)(record)

    def _line(self, shard: str) -> LineMemory:
        if shard not in self._lines:
            self._lines[shard] = LineMemory(shard, self._window_s)
        return self._lines[shard]

    def _line_views(self, now_ns: int, from_ns: int) -> tuple[LineView, ...]:
        stops = self._stops_of_event_series(now_ns)
        lines = (self._lines[shard] for shard in sorted(self._lines))
        return tuple(view for line in lines for view in line.views(now_ns, from_ns, self._calendar, stops))

    def _stops_of_event_series(self, now_ns: int) -> dict[str, list[Span]]:
        """By `shard|metric`, when output_drop stood on a series for which no report means no event."""
        drops = self._alerts.output_drops(now_ns)
        on_event = (series for series in self._spool.series.values() if series.on_event and series.name in drops)
        return {f"{series.equipment.shard}|{series.metric}": drops[series.name] for series in on_event}

    def _stock_views(self, now_ns: int, from_ns: int) -> tuple[StockView, ...]:
        shortages = self._alerts.shortages()
        views = (view for line in self._lines.values() for view in line.stock_views(now_ns, from_ns, shortages))
        return tuple(sorted(views, key=lambda view: view.series))

    def _pulse(self, now_ns: int) -> Pulse:
        return Pulse(
            clock_ns=now_ns,
            detectors_at_ns=self._beat.at_ns if self._beat else 0,
            spool_depth=int((number(self._beat, "spool_depth") if self._beat else 0) or 0),
            dead_letters=self._spool.dead.count(),
        )


def notices(pulse: Pulse) -> tuple[str, ...]:
    """What makes the board itself doubtful, in sentences that say what to do."""
    if not pulse.clock_ns:
        return ("Nothing has arrived yet: start `andon collect` and check its broker.",)
    if not pulse.detectors_at_ns:
        return ("The detectors have not spoken yet: no alert does not mean that all is well. Start `andon detect`.",)
    late_ns = pulse.clock_ns - pulse.detectors_at_ns
    if late_ns > DETECTORS_LATE_NS:
        return (f"The detectors are {late_ns // (60 * NS_PER_S)} min behind the site's clock: alerts may be old.",)
    return ()


def _is_self(shard: str) -> bool:
    return shard == schema.SELF_LINE or shard.endswith(f"/{schema.SELF_LINE}")
