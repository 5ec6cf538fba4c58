"""Who watches the watchers: the collector's process says the beat, and an alert when detection stands still.

Input: a spool, looked at every few seconds by a process that is not the detectors'. Output: `watch_beat`, and an alert
of the kind `detection` with a life of its own: a dead detector says nothing, and what says nothing resolves nothing, so
that it is dead has to be written as a level by somebody else. One alert for all lines: they have one cause.

That the watcher itself is dead, or cannot reach the store, only the missing beat can say.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector import schema
from collector.readings import NS_PER_S
from collector.schema import SELF_LINE, AlertLevel
from collector.spool.frames import Control, FrameKind, Record
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from detectors.alerts import Alert, Observation, State, advance, apply_control
from detectors.engine import ShardOutput
from detectors.outputs import event_output, level_output
from detectors.rule import AlertRule

_MEMORY = "watcher"
_LEVEL_AFTER_CLOSING_NS = 300 * NS_PER_S
_CONTROLS = 100
RULE = AlertRule(
    method="detection",
    severity=AlertLevel.CRITICAL,
    gap_s=math.inf,
    repeat_after_s=0.0,
    in_planned_stop=True,
    consequence="no line is watched: what the other alerts say is as old as this one",
    response="see the log of `andon detect` and restart it; nothing is lost, it goes on where it stood",
)


class Kept(msgspec.Struct):
    """What a restart needs: the alert, how far people's actions are read, and the last level told."""

    alert: Alert
    heard: int
    level_ns: int = 0


class Place(NamedTuple):
    """Where the detectors of a line stand, and since when at the latest; whether they were seen to move or be done."""

    offset: int
    since_s: float
    has_moved: bool

    def still_s(self, passed_s: float) -> float:
        return passed_s - self.since_s


class Watcher:
    """Looks at one spool that this object owns while it works. `limit_s`: so long may a line wait for its detectors."""

    def __init__(self, spool: Spool, site: str, *, limit_s: float, levels_s: float) -> None:
        self._spool = spool
        self._shard = f"{site}/{SELF_LINE}"
        self._limit_s = limit_s
        self._levels_s = levels_s
        self._places: dict[str, Place] = {}
        kept = spool.recall(_MEMORY)
        self._kept = msgspec.msgpack.decode(kept, type=Kept) if kept else Kept(self._quiet(), spool.log.end())

    def step(self, at_ns: int, passed_s: float) -> int:
        """One look, at the site's time `at_ns`; `passed_s` is a clock that nobody sets. Returns 0: then it may rest."""
        say_beat(self._spool, self._levels_s)
        places = self._look(passed_s)
        still_s = max((place.still_s(passed_s) for place in places), default=0.0)
        is_known = still_s >= self._limit_s or all(place.has_moved for place in places)
        score = still_s / self._limit_s if is_known else math.nan
        seen = Observation(at_ns, score, value=still_s, expected=self._limit_s)
        said = self._answered(at_ns)
        before = self._kept.alert
        after = self._kept.alert = advance(RULE, before, seen)
        said += _told(before, after, at_ns)
        is_due = at_ns - self._kept.level_ns >= self._levels_s * NS_PER_S
        if not said and is_due and _has_level(after, at_ns):
            said.append(level_output(after, at_ns))
        if said:
            self._kept.level_ns = at_ns
            self._say(said)
        return 0

    def _look(self, passed_s: float) -> list[Place]:
        """Where the detectors of every line stand now."""
        for line in self._spool.log.shards():
            offset = self._spool.states.load(line).offset
            waits = bool(self._spool.log.read(offset, 1, shard=line, kinds=INPUTS))
            before = self._places.get(line)
            if not waits or (before is not None and before.offset != offset):
                self._places[line] = Place(offset, passed_s, has_moved=True)
            elif before is None:
                self._places[line] = Place(offset, passed_s, has_moved=False)
        return list(self._places.values())

    def _answered(self, at_ns: int) -> list[ShardOutput]:
        """Applies what people did about the alert since the last look."""
        said: list[ShardOutput] = []
        end = self._spool.log.end()
        frames = self._spool.log.read(self._kept.heard, _CONTROLS, shard=self._shard, kinds=(FrameKind.CONTROL,))
        self._kept.heard = frames[-1].offset if len(frames) == _CONTROLS else end
        for control in (frame.body for frame in frames):
            if isinstance(control, Control) and control.alert_id == self._kept.alert.alert_id:
                self._kept.alert = apply_control(self._kept.alert, control)
                said += [event_output(self._kept.alert), level_output(self._kept.alert, at_ns)]
        return said

    def _say(self, said: list[ShardOutput]) -> None:
        with self._spool.transaction():
            for one in said:
                self._spool.log.say(self._shard, one.output_id, one.record)
            self._spool.remember(_MEMORY, msgspec.msgpack.encode(self._kept))

    def _quiet(self) -> Alert:
        subject = f"{self._shard}/detection"
        return Alert(
            key=f"{RULE.method}:{subject}",
            kind=RULE.method,
            subject=subject,
            shard=self._shard,
            series=subject,
            severity=RULE.severity,
            state=State.NORMAL,
        )


def say_beat(spool: Spool, every_s: float) -> None:
    """The watcher's pulse, one point every `every_s` of the site's time, whoever says it first."""
    pace_ns = int(every_s * NS_PER_S)
    at_ns = spool.log.clock_ns() // pace_ns * pace_ns
    if not at_ns or any(beat.at_ns == at_ns for beat in spool.log.latest(schema.WATCH_BEAT.name)):
        return
    alerts = spool.log.latest(schema.ALERT_STATE.name)
    beat = Record(
        measurement=schema.WATCH_BEAT.name,
        tags={},
        fields={
            "alive": 1,
            "open_alerts": sum(float(alert.fields["state"]) > 0 for alert in alerts),
            "spool_depth": max(0, spool.log.end() - spool.log.delivered()),
        },
        at_ns=at_ns,
        key="beat",
    )
    with spool.transaction():
        spool.log.say(SELF_LINE, f"beat|{at_ns}", beat)


def _told(before: Alert, after: Alert, at_ns: int) -> list[ShardOutput]:
    """What follows from a change of state; an older occurrence that nobody acknowledged ends with the next one."""
    if after.state is before.state and after.active_at_ns == before.active_at_ns:
        return []
    ended = [event_output(replace(before, state=State.NORMAL, changed_at_ns=at_ns))]
    is_next = before.state is State.RTN_UNACKED and after.active_at_ns != before.active_at_ns
    return [*(ended if is_next else []), event_output(after), level_output(after, at_ns)]


def _has_level(alert: Alert, at_ns: int) -> bool:
    """Whether its level is told: while it is open, and for a while after, so that it resolves by its value."""
    return alert.is_open or 0 < alert.resolved_at_ns <= at_ns < alert.resolved_at_ns + _LEVEL_AFTER_CLOSING_NS
