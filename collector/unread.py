"""Messages that cannot be read, as gaps: whose readings they would have carried, and from when to when.

Input: the messages of a delivery and which of them became dead letters. Output: one `Gap` a topic for the ledger. It is
told to the detectors of the topic's line where no message of the topic could be read in between: a topic that carries
good messages too hides nothing from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.readings import NS_PER_S, Equipment
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap

_NOTE = "messages came that could not be read: `andon dead list` has them with the reason"
_TELL_NS = 5 * NS_PER_S  # detectors are told of a stretch in pieces of this length, and of its rest at the end
_PAUSE_NS = 600 * NS_PER_S  # a topic that said nothing for so long was silent: that is another matter
_MOST_TOPICS = 10_000  # followed at a time


@dataclass(slots=True)
class _Stretch:
    """Only unreadable messages since `told_ns`, up to which the detectors know; the last came at `last_ns`."""

    told_ns: int
    last_ns: int


class Unread:
    """Follows the topics whose latest message could not be read."""

    def __init__(self, place_of: Callable[[str], Equipment | None]) -> None:
        self._place_of = place_of
        self._stretches: dict[str, _Stretch] = {}

    def gaps(self, messages: Sequence[Message], dead: Sequence[DeadLetter]) -> list[Gap]:
        """What to book of a delivery. Costs nothing while all can be read."""
        if not dead and not self._stretches:
            return []
        letters: dict[str, list[int]] = {}
        for letter in dead:
            letters.setdefault(letter.topic, []).append(letter.received_ns)
        came = Counter(message.topic for message in messages if message.topic in letters)
        readable = {message.topic for message in messages if message.topic in self._stretches} - letters.keys()
        gaps = [self._told(topic) for topic in readable]
        for topic, received_ns in letters.items():
            if came[topic] > len(received_ns):
                self._stretches.pop(topic, None)
                gaps.append(Gap(topic, Cause.DEAD_LETTER, min(received_ns), max(received_ns), len(received_ns), _NOTE))
            else:
                gaps.append(self._followed(topic, min(received_ns), max(received_ns), len(received_ns)))
        return [gap for gap in gaps if gap is not None]

    def _followed(self, topic: str, first_ns: int, last_ns: int, letters: int) -> Gap:
        """The letters of a topic that brought nothing else; with its place when it is time to tell."""
        stretch = self._stretches.get(topic)
        if stretch is None or first_ns - stretch.last_ns > _PAUSE_NS:
            if len(self._stretches) >= _MOST_TOPICS:
                self._stretches.clear()
            stretch = self._stretches[topic] = _Stretch(first_ns, first_ns)
        stretch.last_ns = max(stretch.last_ns, last_ns)
        gap = Gap(topic, Cause.DEAD_LETTER, first_ns, last_ns, letters, _NOTE)
        if stretch.last_ns - stretch.told_ns < _TELL_NS:
            return gap
        gap = self._placed(gap._replace(from_ns=stretch.told_ns, to_ns=stretch.last_ns))
        stretch.told_ns = stretch.last_ns
        return gap

    def _told(self, topic: str) -> Gap | None:
        """The rest of a stretch that has ended, for the detectors; its letters are booked."""
        stretch = self._stretches.pop(topic)
        if stretch.last_ns <= stretch.told_ns:
            return None
        return self._placed(Gap(topic, Cause.DEAD_LETTER, stretch.told_ns, stretch.last_ns, 0, _NOTE))

    def _placed(self, gap: Gap) -> Gap:
        place = self._place_of(gap.asset)
        return gap if place is None else gap._replace(shard=place.shard, cell=place.cell)
