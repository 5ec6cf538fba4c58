"""Dead letters come back: after the mapping was mended, what was kept is decoded again and stored with its own times.

Input: letters of `spool.dead` that are messages (rows are for `collector.dead_resend`), oldest first, and the decoder
and [[drop]]s of the site.toml as it is now. Output: their readings in the log, the letters gone and their gaps in the
ledger closed, all in one transaction; a letter that still cannot be read stays, with today's reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.config import DropSettings
from collector.decoder import Decoder
from collector.intake import Intake
from collector.inventory.booking import booked
from collector.memory import recalled
from collector.sources.drop_table import ORIGIN, UnreadableFile, rows_again
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from collector.tally import count_replayed

_AT_ONCE = 500
_SAYS_NOTHING = "it can be read now, and holds no reading that is not known already"


class Revived(NamedTuple):
    """What a replay came to: letters decoded, readings they gave, letters that stay."""

    letters: int = 0
    readings: int = 0
    still_dead: int = 0

    def plus(self, other: Revived) -> Revived:
        return Revived(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def replay_dead(spool: Spool, decoder: Decoder, topic: str = "", drops: Sequence[DropSettings] = ()) -> Revived:
    """Decodes every letter again, in order of arrival; with `topic`, only letters of that topic.

    `drops`: how rows of files are read now; whatever has a topic of theirs may tell of any time past.

    What formats remember (joined times, Sparkplug sessions) is read as it is now and not changed: a letter tells
    nothing about the present.
    """
    memory, after, sum_ = recalled(spool), 0, Revived()
    while True:
        with spool.transaction():  # letters are read inside: the collector may count up or evict one meanwhile
            letters = spool.dead.after(after, _AT_ONCE)
            chosen = [(id_, one) for id_, one in letters if not one.is_row and topic in ("", one.topic)]
            decoder.restore(memory)
            sum_ = sum_.plus(_replay(spool, decoder, chosen, drops))
        if not letters:
            return sum_
        after = letters[-1][0]


def _came(letter: DeadLetter) -> Gap:
    """Takes back what `collector.unread` booked when the letter could not be read."""
    return Gap(letter.topic, Cause.DEAD_LETTER, letter.received_ns, letter.received_ns, -letter.times)


def _replay(
    spool: Spool, decoder: Decoder, letters: Sequence[tuple[int, DeadLetter]], drops: Sequence[DropSettings]
) -> Revived:
    """One portion, inside a transaction. A letter that can be read but gives nothing stays: it may be the only copy."""
    read: list[DeadLetter] = []
    readings = 0
    for id_, letter in letters:
        try:
            intake = booked(spool, _decoded(letter, decoder, drops))
        except UnreadableFile as error:
            spool.dead.amend(id_, str(error))
            continue
        spool.log.append(intake.frames(spool.series))  # of a letter that stays: what its book has taken of it
        for said in intake.records:
            spool.log.say(*said)
        if intake.dead or not (intake.lots or intake.signals):
            spool.dead.amend(id_, intake.dead[0].reason if intake.dead else _SAYS_NOTHING)
            continue
        for gap in intake.gaps:
            if gap.missing < 0:  # what was booked as missing has come with the letter
                spool.ledger.add(gap)
        spool.dead.remove(id_)
        spool.ledger.add(_came(letter))
        read.append(letter)
        readings += len(intake)
    count_replayed(spool, read, readings)
    return Revived(len(read), readings, len(letters) - len(read))


def _decoded(letter: DeadLetter, decoder: Decoder, drops: Sequence[DropSettings]) -> Intake:
    """What a letter says now. Raises UnreadableFile: a row of a file that cannot be read, or of which no file is."""
    if not letter.topic.startswith(ORIGIN):
        is_history = any(letter.topic == drop.topic for drop in drops)
        return decoder.decode([Message(letter.topic, letter.payload, letter.received_ns)], is_history=is_history)
    settings, rows = rows_again(letter.payload, letter.topic, drops)
    for row in rows:
        if row.reason:
            raise UnreadableFile(row.reason)
    messages = [Message(settings.topic, row.payload, letter.received_ns) for row in rows]
    return decoder.decode(messages, is_history=True)
