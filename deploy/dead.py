"""What `andon dead` does: letters are shown, messages decoded again, rows offered to the store that refused them."""

from __future__ import annotations

from contextlib import closing

from collector.clocks.clock import WallClock
from collector.config import DropSettings
from collector.dead_replay import Revived, replay_dead
from collector.dead_resend import NotResent, Resent, refused_rows, resend_dead
from collector.errors import AndonError
from collector.pump import reader_of
from collector.sinks.sink import TakesRows
from collector.spool.dead import DeadLetter
from collector.spool.spool import Spool
from deploy.site import SiteFile


class NoSuchLetter(AndonError):
    """There is no dead letter with this id."""


def letter_of(spool: Spool, id_: int) -> DeadLetter:
    """Raises NoSuchLetter."""
    letter = spool.dead.letter(id_)
    if letter is None:
        raise NoSuchLetter(f"no dead letter {id_}: `andon dead list` says which there are; one that was read is gone")
    return letter


def payload_of(letter: DeadLetter) -> dict[str, str]:
    """The payload for a person: `payload`, text as it is, or `hex` where it is none or holds control characters."""
    try:
        text = letter.payload.decode()
    except UnicodeDecodeError:
        return {"hex": letter.payload.hex(" ")}
    is_plain = all(one.isprintable() or one in "\n\t" for one in text)
    return {"payload": text} if is_plain else {"hex": letter.payload.hex(" ")}


def read_again(site: SiteFile, spool: Spool, topic: str) -> tuple[Revived, dict[str, int]]:
    """What came of the messages, and how many rows each store has refused, which are left. Raises NotResent."""
    if topic.startswith(reader_of("")):
        name = topic.removeprefix(reader_of(""))
        raise NotResent(f"topic {topic}: these are rows that a store refused, no messages: ask with `--store {name}`")
    drops = site.document.sections("drop", DropSettings)
    return replay_dead(spool, site.decoder(WallClock()), topic, drops), refused_rows(spool)


def offered_again(site: SiteFile, spool: Spool, name: str) -> Resent:
    """Raises NotResent where there is no such store, it takes no single rows, or it takes nothing now."""
    stores = {one.name: one.sink for one in site.stores()}
    if name not in stores:
        known = ", ".join(map(repr, stores)) or "none"
        raise NotResent(f"{site.document.path}: no [[sink]] is named {name!r} (there is {known}): name one of them")
    with closing(stores[name]) as sink:
        if not isinstance(sink, TakesRows):
            raise NotResent(
                f"store {name!r} is of a kind that takes no single rows: give this [[sink]] the `kind` it had when it "
                "refused them"
            )
        return resend_dead(spool, name, sink)
