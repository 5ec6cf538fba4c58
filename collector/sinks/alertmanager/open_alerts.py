"""Which alerts stand now, as far as the log has said, and what Alertmanager has to hear of them. Pure.

Input: frames of the log, in whatever order lanes bring them: offsets say which of two levels of a key is newer.
Output: alerts in the shape of Alertmanager's v2 API, plain JSON types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from collector.readings import NS_PER_S
from collector.schema import ALERT_EVENT, ALERT_STATE, STATE_OF_LEVEL
from collector.sinks.alertmanager.options import Options
from collector.spool.frames import Frame, Record

Json = dict[str, Any]
_NS_PER_MS = 1_000_000
_SEVERITIES = {state: str(level) for level, state in STATE_OF_LEVEL.items()}


class Standing(NamedTuple):
    """An alert as its newest level says: the labels under which it is known there, and since when it stands."""

    labels: Mapping[str, str]
    since_ns: int
    numbers: Mapping[str, str]
    alert_id: str


class Told(NamedTuple):
    """One alert to be posted; `key` is ours, `""` for the heartbeat; `offset` the frame it comes from."""

    key: str
    body: Json
    offset: int = 0


class OpenAlerts:
    """What stands, what has ended and was not yet told, and the newest words on each."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._open: dict[str, Standing] = {}
        self._ended: list[tuple[str, Standing]] = []
        self._changed: set[str] = set()
        self._offsets: dict[str, int] = {}  # of the newest level of every key ever met
        self._words: dict[str, tuple[int, dict[str, str]]] = {}

    def take(self, frame: Frame, now_ns: int) -> None:
        """Notes what a frame says of an alert, if it says anything. Taking one twice changes nothing."""
        if not isinstance(frame.body, Record):
            return
        if frame.body.measurement == ALERT_STATE.name:
            self._take_level(frame, frame.body, now_ns)
        elif frame.body.measurement == ALERT_EVENT.name:
            self._take_words(frame.offset, frame.body)

    def due(self, now_ns: int, *, everything: bool) -> list[Told]:
        """What changed since the last `told`, or all that stands; ends come before what follows them."""
        ends = [Told(key, self._body(key, one, now_ns, now_ns), self._offsets[key]) for key, one in self._ended]
        keys = self._open if everything else [key for key in self._open if key in self._changed]
        until_ns = now_ns + int(self._options.hold_s * NS_PER_S)
        return ends + [
            Told(key, self._body(key, self._open[key], now_ns, until_ns), self._offsets[key]) for key in keys
        ]

    def told(self, refused: Iterable[Told] = ()) -> None:
        """All that was due was taken, but for those that never will be."""
        self._ended.clear()
        self._changed.clear()
        for one in refused:
            self._open.pop(one.key, None)

    def heartbeat(self, now_ns: int) -> list[Told]:
        """The alert that always fires, while we do."""
        o = self._options
        if not o.heartbeat:
            return []
        labels = {**o.labels, "alertname": o.heartbeat, "product": "andon", "severity": "none"}
        words = {"summary": "Andon is there. When this stops firing, nobody watches."}
        until_ns = now_ns + int(4 * o.resend_s * NS_PER_S)
        return [Told("", _alert(labels, words, now_ns, until_ns, o.board_url))]

    def _take_level(self, frame: Frame, record: Record, now_ns: int) -> None:
        key, state = record.key, float(record.fields.get("state", 0.0))
        if frame.offset <= self._offsets.get(key, -1):
            return
        if state > 0 and now_ns - frame.stored_ns > self._options.fresh_s * NS_PER_S:
            return  # of a backlog: what still stands says so again and again
        is_new = key not in self._offsets
        self._offsets[key] = frame.offset
        before, after = self._open.pop(key, None), self._standing(record, state)
        if state > 0:
            self._open[key] = after
            if before is None or before != after:
                self._changed.add(key)
            if before is not None and before.labels != after.labels:
                self._ended.append((key, before))
        elif before is not None:
            self._ended.append((key, before))
        elif is_new:  # whoever told of it may have been stopped before it ended: under which severity is not known
            self._ended += [(key, self._standing(record, level)) for level in _SEVERITIES]

    def _take_words(self, offset: int, record: Record) -> None:
        key = str(record.detail.get("key", ""))
        if offset <= self._words.get(key, (-1, {}))[0]:
            return
        said = {
            "consequence": str(record.fields.get("text", "")),
            "response": str(record.detail.get("response", "")),
            "acknowledged_by": str(record.fields.get("acked_by", "")),
            "cause": str(record.fields.get("cause", "")),
        }
        self._words[key] = offset, {name: text for name, text in said.items() if text}
        if key in self._open:
            self._changed.add(key)

    def _standing(self, record: Record, state: float) -> Standing:
        tags = {name: record.tags.get(name, "") for name in ("site", "line", "subject")}
        labels = {**self._options.labels, **tags, "alertname": record.tags.get("kind", ""), "product": "andon"}
        labels["severity"] = _SEVERITIES.get(state, "warning")
        since_ns = int(record.fields.get("since", 0)) * _NS_PER_MS
        numbers = {name: f"{record.fields[name]:.4g}" for name in ("cover_days",) if name in record.fields}
        return Standing(labels, since_ns, numbers, str(record.fields.get("alert_id", "")))

    def _body(self, key: str, one: Standing, now_ns: int, until_ns: int) -> Json:
        words = {"summary": f"{one.labels['alertname']}: {one.labels['subject']}", "alert_id": one.alert_id}
        words |= {**self._words.get(key, (0, {}))[1], **one.numbers}
        return _alert(one.labels, words, one.since_ns or now_ns, until_ns, self._options.board_url)


def _alert(labels: Mapping[str, str], words: Mapping[str, str], from_ns: int, until_ns: int, link: str) -> Json:
    """An alert must start before it ends, so one that has just begun by another clock starts a moment before."""
    body: Json = {
        "labels": {name: _text(value) for name, value in labels.items() if value},
        "annotations": {name: _text(value) for name, value in words.items()},
        "startsAt": _instant(min(from_ns, until_ns - _NS_PER_MS)),
        "endsAt": _instant(until_ns),
    }
    return body | ({"generatorURL": link} if link else {})


def _text(value: str) -> str:
    """What UTF-8 can carry."""
    return value.encode("utf-8", "replace").decode()


def _instant(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // _NS_PER_MS:03d}Z"
