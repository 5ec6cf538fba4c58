"""Dead letters come back: after the mapping was mended, what was kept is decoded again and stored with its own times.

Input: letters of `spool.dead`, oldest first, and the decoder of the site.toml as it is now. Output: their readings in
the log, the letters gone, both in one transaction; a letter that still cannot be read stays, with today's reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.decoder import Decoder
from collector.pump import MEMORY
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.spool import Spool
from collector.spool.tally import count_replayed

SINK = "sink:"  # letters of this topic are rows a store refused, not messages
_AT_ONCE = 500


class Revived(NamedTuple):
    """What a replay came to: letters decoded, readings they gave, letters that stay."""

    letters: int = 0
    readings: int = 0
    still_dead: int = 0

    def plus(self, other: Revived) -> Revived:
        return Revived(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def replay_dead(spool: Spool, decoder: Decoder, topic: str = "") -> Revived:
    """Decodes every letter again, in order of arrival; with `topic`, only letters of that topic.

    What formats remember (joined times, Sparkplug sessions) is read as it is now and not changed: a letter tells
    nothing about the present.
    """
    memory, after, sum_ = spool.recall(MEMORY), 0, Revived()
    while letters := spool.dead.after(after, _AT_ONCE):
        after = letters[-1][0]
        chosen = [(id_, one) for id_, one in letters if not one.topic.startswith(SINK) and topic in ("", one.topic)]
        decoder.restore(memory)
        sum_ = sum_.plus(_replay(spool, decoder, chosen))
    return sum_


def _replay(spool: Spool, decoder: Decoder, letters: Sequence[tuple[int, DeadLetter]]) -> Revived:
    """One portion in one transaction; a letter is known by its topic and payload."""
    intake = decoder.decode([Message(one.topic, one.payload, one.received_ns) for _, one in letters])
    reasons = {(dead.topic, dead.payload): dead.reason for dead in intake.dead}
    with spool.transaction():
        for id_, letter in letters:
            reason = reasons.get((letter.topic, letter.payload))
            if reason is None:
                spool.dead.remove(id_)
            else:
                spool.dead.amend(id_, reason)
        spool.log.append(intake.frames(spool.series))
        read = [one for _, one in letters if (one.topic, one.payload) not in reasons]
        count_replayed(spool, read, len(intake))
    return Revived(len(letters) - len(reasons), len(intake), len(reasons))
