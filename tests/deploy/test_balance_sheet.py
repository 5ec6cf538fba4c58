"""`andon books`: what was received is somewhere, whatever happened to it, and what is nowhere is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import msgspec
import pytest
from typer.testing import CliRunner

from collector.clocks.clock import PlantClock
from collector.dead_replay import replay_dead
from collector.health.counters import Counters
from collector.lanes import Pace
from collector.pump import Appender, drain, reader_of
from collector.readings import NS_PER_S, Equipment, Series
from collector.retention import DEAD_LETTERS, DEAD_ROWS, Retention
from collector.schema import SELF_LINE
from collector.sinks.sink import Parcel, SinkRejected
from collector.sources.source import Message
from collector.spool.frames import batch_frame
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from deploy.books import Books, StoreBook, books_of
from deploy.cli import app
from deploy.commands.books import NOT_EXACT
from deploy.site import SiteFile, load_site
from tests.collector.batches import batch

T0_NS = 1_790_000_000 * NS_PER_S
SITE = """
[site]
enterprise = "e"
name = "plant"
[[subscribe]]
topic = "plant/{line}"
format = "json_fields"
time = "ts"
[subscribe.fields.level]
[[sink]]
name = "store"
kind = "lines_file"
"""


class Store:
    """Takes everything but the rows of one value; ends the drain when it has as many rows as it waits for."""

    def __init__(self, rows: int, refuses: bytes = b"nothing") -> None:
        self._left = rows
        self._refuses = refuses
        self.stop = Event()

    def write(self, parcel: Parcel) -> None:
        self._left -= len(parcel.rows)
        if self._left <= 0:
            self.stop.set()
        refused = [i for i, row in enumerate(parcel.rows) if self._refuses in row]
        if refused:
            raise SinkRejected("the store does not like it", refused)

    def close(self) -> None:
        """Holds nothing."""


class Plant:
    """A site whose messages are appended and drained by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "site.toml"
        self.write_site(SITE)
        self.spool: Spool = self.site.open_spool()

    def write_site(self, text: str) -> None:
        self.path.write_text(text)
        self.site: SiteFile = load_site(self.path)

    def receive(self, levels: Sequence[object], name: str = "ts", ahead_s: int = 0) -> None:
        """Messages with a level each, a second apart, in one group. `ahead_s`: how wrong the sender's clock is."""
        clock, counters = PlantClock(T0_NS, T0_NS), Counters(report_every_s=None)
        retention = Retention(self.site.spool, counters, detected=False)
        appender = Appender(self.spool, self.site.site, clock, NS_PER_S, retention, counters)
        payloads = [
            json.dumps({name: T0_NS // NS_PER_S + ahead_s + i, "level": level}) for i, level in enumerate(levels)
        ]
        intake = self.site.decoder(clock).decode([Message("plant/a", one.encode(), T0_NS) for one in payloads])
        assert appender.append(intake, {}, 0, Event())

    def deliver(self, store: Store, name: str = "store") -> None:
        drain(name, store, self.spool, PlantClock(T0_NS), Counters(), store.stop, Pace())

    def make_room(self, *stores: str, max_mb: float = 1_000.0) -> None:
        """As a full spool does, until nothing may go any more."""
        settings = msgspec.structs.replace(self.site.spool, max_mb=max_mb)
        retention = Retention(settings, Counters(), detected=False)
        with self.spool.transaction():
            self.spool.log.enrol([reader_of(store) for store in stores or ("store",)], among="sink:")
        while retention.make_room(self.spool):
            pass

    def execute(self, statement: str) -> None:
        """Changes the file behind everybody's back."""
        with self.spool.transaction():
            self.spool._connection.execute(statement)

    def books(self, *stores: str) -> Books:
        return books_of(self.spool, stores or ("store",))


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def store_of(books: Books) -> StoreBook:
    (store,) = books.stores
    return store


def test_what_was_delivered_and_what_waits_is_all_there_is(plant: Plant) -> None:
    plant.receive(range(10))
    plant.deliver(Store(10))
    plant.receive(range(3))
    books = plant.books()
    assert books.is_exact
    assert (books.messages_received, books.messages_read, books.readings) == (13, 13, 13)
    store = store_of(books)
    assert (store.due, store.handed_on, store.waiting, store.dropped) == (13, 10, 3, 0)


def test_dead_letters_are_counted_as_often_as_they_came_and_move_when_they_are_replayed(plant: Plant) -> None:
    plant.receive([1, 2, "three", "three"], name="stamp")  # the mapping is wrong: nothing can be read
    plant.receive([1, 2, "three", "three"], name="stamp")
    before = plant.books()
    assert (before.messages_received, before.dead_lettered, before.dead_kept) == (8, 8, 8)
    plant.write_site(SITE.replace('"ts"', '"stamp"'))
    replay_dead(plant.spool, plant.site.decoder(PlantClock(T0_NS, T0_NS)))
    after = plant.books()
    assert after.is_exact
    assert (after.dead_kept, after.dead_replayed, after.readings) == (4, 4, 2)
    assert store_of(after).waiting == 2


def test_what_a_full_spool_dropped_is_in_the_ledger(plant: Plant) -> None:
    plant.receive(range(10))
    plant.make_room()
    books = plant.books()
    assert books.is_exact
    assert (store_of(books).dropped, store_of(books).waiting) == (10, 0)
    assert books.missing == {"evicted": 10}


def test_messages_that_said_nothing_are_told_apart_from_those_that_said_something(plant: Plant) -> None:
    plant.receive([1, None, "three", None])
    plant.receive([None])  # a delivery that brings nothing to store costs no transaction: the counters have it
    books = plant.books()
    assert (books.messages_received, books.messages_read, books.messages_silent, books.dead_lettered) == (4, 3, 2, 1)
    plant.spool.close()
    text = CliRunner().invoke(app, ["books", str(plant.path)], catch_exceptions=False).output.split("\n")
    (something,) = (line.split()[-1] for line in text if "said something" in line)
    assert something == "1" and any(line.split()[:3] == ["said", "nothing", "2"] for line in text)


def test_what_is_nowhere_is_said(plant: Plant) -> None:
    plant.receive(range(10))
    with plant.spool.transaction():
        plant.spool.log.evict_oldest(100)  # and nobody books it
    assert not plant.books().is_exact
    assert store_of(plant.books()).unaccounted == 10


def test_what_one_store_lost_is_not_hidden_by_what_was_dropped_before_another_had_it(plant: Plant) -> None:
    plant.receive(range(4))
    plant.deliver(Store(4), "first")
    plant.make_room("first", "second")  # the second never had these
    plant.receive(range(3))
    plant.deliver(Store(3), "second")
    plant.execute("DELETE FROM log")  # the first loses them, and nobody says so
    first, second = plant.books("first", "second").stores
    assert (first.handed_on, first.dropped, first.unaccounted) == (4, 0, 3)
    assert (second.handed_on, second.dropped, second.unaccounted) == (3, 4, 0)


def test_what_a_store_lost_is_not_hidden_by_the_collectors_own_readings(plant: Plant) -> None:
    with plant.spool.transaction():
        own = plant.spool.series.id_of(Series(Equipment("e", "plant", line=SELF_LINE), "messages_received"))
        plant.spool.log.append([batch_frame(f"plant/{SELF_LINE}", batch(*((own, i, 1.0, 0, i) for i in range(9))))])
    plant.make_room()
    plant.receive(range(3))
    plant.execute("DELETE FROM log")
    assert plant.books().missing == {"evicted": 9}
    assert (store_of(plant.books()).dropped, store_of(plant.books()).unaccounted) == (0, 3)


def test_what_went_while_it_was_on_its_way_has_come_through_after_all(plant: Plant) -> None:
    class SlowStore(Store):
        def write(self, parcel: Parcel) -> None:
            plant.make_room()
            super().write(parcel)

    plant.receive(range(10))
    plant.deliver(SlowStore(10))
    store = store_of(plant.books())
    assert (store.handed_on, store.dropped, store.unaccounted) == (10, 0, 0)


def test_what_was_damaged_on_the_disk_is_missing_where_it_was_not_delivered_before(plant: Plant) -> None:
    plant.receive([0])
    for store in ("first", "second"):
        plant.deliver(Store(1), store)
    plant.receive(range(4))
    plant.receive(range(3))
    plant.deliver(Store(7), "first")
    plant.execute("UPDATE log SET body = x'00' WHERE offset = 2")
    plant.deliver(Store(3), "second")
    first, second = plant.books("first", "second").stores
    assert (first.handed_on, first.damaged, first.unaccounted) == (8, 0, 0)
    assert (second.handed_on, second.damaged, second.unaccounted) == (4, 4, 0)
    plant.make_room("first", "second", "third")
    (third,) = plant.books("third").stores
    assert (third.due, third.dropped, third.damaged, third.unaccounted) == (8, 4, 4, 0)


def test_rows_that_stores_refused_are_dropped_as_rows_not_as_messages(plant: Plant) -> None:
    plant.receive([0.0, 77.0])
    plant.deliver(Store(2, refuses=b"value=77"))
    plant.receive(["x" * 200_000, "y" * 200_000])
    plant.make_room(max_mb=1.0)
    books = plant.books()
    assert books.is_exact
    assert (books.dead_dropped, books.dead_rows_dropped, store_of(books).refused) == (2, 1, 1)
    dropped = {(gap.asset, gap.missing) for gap in plant.spool.ledger.read() if gap.cause is Cause.EVICTED}
    assert dropped == {(DEAD_LETTERS, 2), (DEAD_ROWS, 1)}


def test_a_letter_that_is_nowhere_is_said(plant: Plant) -> None:
    plant.receive(["three", "four"])
    with plant.spool.transaction():
        plant.spool.dead.evict_oldest(1)
    assert plant.books().dead_unaccounted == 1


def test_rows_that_a_store_refuses_or_never_gets_are_handed_on_and_named(plant: Plant) -> None:
    plant.receive([5.0, 6.0], ahead_s=3_600)
    plant.receive([0.0, 1.0, 77.0])
    plant.deliver(Store(3, refuses=b"value=77"))
    store = store_of(plant.books())
    assert plant.books().is_exact
    assert (store.handed_on, store.refused, store.without_row) == (5, 1, 2)


def test_a_store_that_is_added_later_is_owed_only_what_is_still_there(plant: Plant) -> None:
    plant.receive(range(10))
    plant.deliver(Store(10))
    with plant.spool.transaction():
        plant.spool.log.evict_delivered(plant.spool.log.end(), 100)
    plant.receive(range(4))
    plant.deliver(Store(4), "later")
    plant.deliver(Store(4))
    first, later = plant.books("store", "later").stores
    assert (first.due, later.due) == (14, 4)
    assert plant.books("store", "later").is_exact


def test_the_books_are_read_as_text_and_as_json(plant: Plant) -> None:
    plant.receive([1, 2, "three"])
    plant.spool.close()
    result = CliRunner().invoke(app, ["books", str(plant.path), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["is_exact"] and told["messages_received"] == 3 and told["stores"][0]["waiting"] == 2
    text = CliRunner().invoke(app, ["books", str(plant.path)], catch_exceptions=False).output
    assert text.startswith("the balance is exact") and "andon dead list" in text


def test_books_that_do_not_balance_end_with_their_own_exit_code(plant: Plant) -> None:
    plant.receive(range(3))
    with plant.spool.transaction():
        plant.spool.log.evict_oldest(100)
    plant.spool.close()
    result = CliRunner().invoke(app, ["books", str(plant.path)], catch_exceptions=False)
    assert result.exit_code == NOT_EXACT
    assert "NOT exact: `andon doctor`" in result.output and "unaccounted for" in result.output
