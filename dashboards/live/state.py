"""What the board shows, as frozen values: one BoardState per look at the spool. `/state.json` is this, as JSON.

Instants are UTC ns of event time (0 where not reached); charts carry whole seconds because browsers plot those.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from collector.schema import AlertLevel
from detectors.alerts import Alert, State

WORST_FIRST = {AlertLevel.CRITICAL: 0, AlertLevel.WARNING: 1}


class LineState(StrEnum):
    """What a line did during a stretch of time, as far as its readings say."""

    RUNNING = "running"
    LOW = "below band"
    STOPPED = "stopped"
    PLANNED = "planned stop"
    LEARNING = "learning"  # readings arrive, but no band has been learned to judge them by
    NO_DATA = "no data"


class Segment(msgspec.Struct, frozen=True):
    """A stretch of one state, [from_ns, to_ns). `reason` is the calendar's word for a planned stop."""

    state: LineState
    from_ns: int
    to_ns: int
    reason: str = ""


class Trend(msgspec.Struct, frozen=True):
    """Columns of one length for a chart: `at_s` UTC seconds, output and its band in units per hour (None: unknown)."""

    at_s: tuple[int, ...] = ()
    value: tuple[float | None, ...] = ()
    low: tuple[float | None, ...] = ()
    mid: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


class Output(msgspec.Struct, frozen=True):
    """A line's output now against its expected band, in units per hour; None where it is not known yet."""

    at_ns: int
    value: float | None = None
    low: float | None = None
    mid: float | None = None
    high: float | None = None


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line (one output series of it). `key` is `shard|metric` and keeps its place on the board.

    `series` is the name of the series its output is judged by, `""` before it is.
    """

    key: str
    line: str
    metric: str
    series: str = ""
    state: LineState
    since_ns: int
    output: Output | None = None
    trend: Trend = Trend()
    strip: tuple[Segment, ...] = ()


class StockView(msgspec.Struct, frozen=True, kw_only=True):
    """One stock: what is on hand, in `unit`, and when it runs empty (`_s` from `at_ns`; None: no estimate)."""

    series: str
    line: str
    unit: str
    on_hand: float
    most: float  # the most seen in the window, the full length of its bar
    at_ns: int
    silent: bool = False
    empty_early_s: float | None = None
    empty_s: float | None = None
    empty_late_s: float | None = None
    level: AlertLevel | None = None  # of the open shortage alert, if any
    history: tuple[tuple[int, float], ...] = ()  # (UTC s, on hand)


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, and who has written an acknowledgement that the detectors have not taken in yet."""

    alert: Alert
    ack_sent_by: str = ""

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        """Worst first: severity, then those that still stand, then the newest."""
        alert = self.alert
        return (WORST_FIRST[alert.severity], alert.state is State.RTN_UNACKED, -alert.fired_at_ns, alert.alert_id)


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the chain. `x` and `y` order it into tiers; `risk` 0 to 1; `stops_at` UTC ms, 0 when it does not.

    `unknown`: its line is silent, so its last values stand.
    """

    node: str
    kind: str
    title: str
    subtitle: str = ""
    risk: float = 0.0
    days_of_supply_d: float | None = None
    time_to_survive_d: float | None = None
    stops_at: int = 0
    unknown: bool = False
    x: float = 0.0
    y: float = 0.0


class ArcView(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    target: str
    material: str
    risk: float = 0.0
    share: float | None = None
    lead_time_d: float | None = None


class ExposureView(msgspec.Struct, frozen=True, kw_only=True):
    """What a node stands to lose for want of a material. `stops_at` is UTC ms, 0 when it does not stop.

    `causes` are the keys of the alerts behind it, `stops` the nodes downstream that fail before recovery, the soonest
    first.
    """

    node: str
    material: str
    days_of_supply_d: float | None = None
    time_to_survive_d: float | None = None
    time_to_recover_d: float | None = None
    gap_d: float | None = None
    lost_per_d: float | None = None
    stops_at: int = 0
    causes: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    best_action: str = ""


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """The watcher, watched. `detectors_at_ns` is its latest beat (0: none yet)."""

    clock_ns: int = 0
    detectors_at_ns: int = 0
    spool_depth: int = 0
    dead_letters: int = 0


class BoardState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the board at one site instant."""

    title: str
    timezone: str
    pulse: Pulse = Pulse()
    notices: tuple[str, ...] = ()  # what makes the board itself doubtful; never empty silence
    lines: tuple[LineView, ...] = ()
    stocks: tuple[StockView, ...] = ()
    alerts: tuple[AlertView, ...] = ()  # open, worst first
    set_aside: tuple[AlertView, ...] = ()  # shelved or suppressed
    returned: tuple[AlertView, ...] = ()  # back to normal within the window, newest first
    nodes: tuple[NodeView, ...] = ()
    arcs: tuple[ArcView, ...] = ()
    exposures: tuple[ExposureView, ...] = ()

    def shards(self) -> tuple[str, ...]:
        """The lines the board knows, by which names are shortened."""
        return tuple(line.line for line in self.lines)
