"""A store's refusals and faults end in the books: rows come back once the store takes them, and no fault loses any."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from typer.testing import CliRunner

from collector.dead_resend import NotResent, resend_dead
from collector.readings import NS_PER_S
from collector.sinks.sink import Parcel, Sink, SinkRejected
from collector.spool.dead import DeadLetter
from deploy.cli import app
from tests.collector.test_influx_sink import Answer, HttpStore, refusing, store
from tests.deploy.test_balance_sheet import SITE, T0_NS, Plant, store_of

OTHER_SINK = """
[[sink]]
name = "lines"
kind = "lines_file"
"""


class Tried:
    """A sink that does what it is told at each write, then keeps all rows; ends the drain when it has `wanted`."""

    def __init__(self, wanted: int, *misdeeds: Callable[[], object]) -> None:
        self.rows: list[bytes] = []
        self.closed = 0
        self.stop = Event()
        self._wanted = wanted
        self._misdeeds = list(misdeeds)

    def write(self, parcel: Parcel) -> None:
        if self._misdeeds:
            self._misdeeds.pop(0)()
        self.rows += parcel.rows
        if len(self.rows) >= self._wanted:
            self.stop.set()

    def close(self) -> None:
        self.closed += 1


class Until:
    """A sink around another that ends the drain after the first parcel."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.stop = Event()

    def write(self, parcel: Parcel) -> None:
        self.stop.set()
        self.sink.write(parcel)

    def close(self) -> None:
        self.sink.close()


def divides() -> object:
    return 1 / 0


def refuses(*indices: int) -> Callable[[], object]:
    def refuse() -> object:
        raise SinkRejected("not this one", indices)

    return refuse


@pytest.fixture
def other_side(tmp_path: Path) -> Iterator[HttpStore]:
    with store(tmp_path) as one:
        yield one


@pytest.fixture
def plant(tmp_path: Path, other_side: HttpStore) -> Iterator[Plant]:
    """Its [[sink]] `store` is an InfluxDB, `lines` a file."""
    made = Plant(tmp_path)
    options = "\n".join(f"{key} = {json.dumps(value)}" for key, value in other_side.options.items())
    made.write_site(SITE.replace('kind = "lines_file"', f'kind = "influx"\n{options}') + OTHER_SINK)
    yield made
    made.spool.close()


def rows_refused(plant: Plant, other_side: HttpStore, levels: Sequence[object], bad: Callable[[bytes], bool]) -> None:
    """Five readings, of which the store refuses some."""

    def answer(rows: list[bytes]) -> Answer:
        return refusing(other_side, set(filter(bad, rows)), whole_body=True, status=400)(rows)

    plant.receive(levels)
    other_side.answer = answer
    (built,) = [one.sink for one in plant.site.stores() if one.name == "store"]
    with closing(built):
        plant.deliver(Until(built))
    other_side.answer = other_side.keep


def replayed(plant: Plant, *options: str) -> str:
    result = CliRunner().invoke(app, ["dead", "replay", str(plant.path), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


# faults of a sink


def test_a_sink_that_fails_unforeseen_is_down_then_goes_on_and_the_balance_is_exact(plant, caplog):
    plant.receive(range(10))
    sink = Tried(10, divides, divides)
    with caplog.at_level(logging.WARNING):
        plant.deliver(sink)
    assert len(sink.rows) == 10 and sink.closed == 2
    assert plant.books().is_exact and store_of(plant.books()).handed_on == 10
    fault, down, up = caplog.records
    assert fault.getMessage() == "sink.fault sink=store" and fault.exc_info[0] is ZeroDivisionError
    assert (
        "ZeroDivisionError: division by zero: this is a fault of the sink 'store', please report" in down.getMessage()
    )
    assert up.getMessage() == "sink.available sink=store"


@pytest.mark.parametrize("indices", [(10,), (-1,), (3, 99)])
def test_a_refusal_of_rows_that_are_not_there_is_a_fault_and_loses_none(plant, indices):
    plant.receive(range(10))
    sink = Tried(10, refuses(*indices))
    plant.deliver(sink)
    assert len(sink.rows) == 10 and plant.books().is_exact
    assert plant.spool.dead.count() == store_of(plant.books()).refused == 0


def test_a_row_that_is_refused_twice_in_one_breath_is_one_letter(plant):
    plant.receive(range(10))
    plant.deliver(Until(Tried(0, refuses(3, 3))))
    assert store_of(plant.books()).refused == plant.spool.dead.count() == 1


# rows that come back


def test_rows_are_offered_again_and_leave_the_books_as_refused(plant, other_side):
    rows_refused(plant, other_side, range(5), lambda row: b"value=1" in row or b"value=3" in row)
    assert (store_of(plant.books()).refused, len(other_side.rows)) == (2, 3)
    told = replayed(plant)
    assert f"2 rows that 'store' refused wait: `andon dead replay {plant.path} --store store`" in told.replace("\n", "")
    assert json.loads(replayed(plant, "--json"))["rows_refused"] == {"store": 2}
    assert json.loads(replayed(plant, "--store", "store", "--json")) == {"stored": 2, "still_refused": 0}
    assert len(set(other_side.rows)) == 5 and plant.spool.dead.count() == 0
    assert plant.books().is_exact and store_of(plant.books()).refused == 0
    assert replayed(plant, "--store", "store").startswith("0 rows are stored now; 0 are still refused")


def test_a_row_that_came_twice_is_one_letter_and_leaves_the_books_twice(plant, other_side):
    for _ in range(2):
        rows_refused(plant, other_side, range(3), lambda row: b"value=1" in row)
    assert store_of(plant.books()).refused == 2 and plant.spool.dead.count() == 1
    replayed(plant, "--store", "store")
    assert store_of(plant.books()).refused == 0


def test_rows_that_are_refused_again_stay_with_todays_reason(plant, other_side):
    rows_refused(plant, other_side, range(5), lambda row: b"value=1" in row or b"value=3" in row)
    (bad,) = [one.payload for one in plant.spool.dead.read() if b"value=3" in one.payload]
    other_side.answer = lambda rows: Answer(422, "still bad") if bad in rows else other_side.keep(rows)
    assert "1 rows are stored now; 1 are still refused: `andon dead list`" in replayed(plant, "--store", "store")
    assert [(one.payload, one.reason) for one in plant.spool.dead.read()] == [(bad, "422: still bad")]
    assert plant.books().is_exact and store_of(plant.books()).refused == 1


def test_a_store_that_is_away_leaves_every_letter_where_it_is(plant, other_side):
    rows_refused(plant, other_side, range(5), lambda row: b"value=1" in row)
    other_side.stop()
    with pytest.raises(NotResent, match=r"store 'store': .*does not answer .*\(0 rows were stored before that; do it"):
        replayed(plant, "--store", "store")
    assert plant.spool.dead.count() == store_of(plant.books()).refused == 1


def test_letters_of_others_are_left_alone(plant, other_side):
    rows_refused(plant, other_side, range(5), lambda row: b"value=1" in row)
    others = [DeadLetter("sink:lines", b"a row 1", "", T0_NS), DeadLetter("plant/a", b"{", "", T0_NS + NS_PER_S)]
    with plant.spool.transaction():
        for letter in others:
            plant.spool.dead.add(letter)
    replayed(plant, "--store", "store")
    assert plant.spool.dead.read() == others[::-1]


def test_a_letter_that_comes_again_while_its_row_is_offered_stays(plant, other_side):
    rows_refused(plant, other_side, range(5), lambda row: b"value=1" in row)
    (letter,) = plant.spool.dead.read()

    class Slow:
        def write_rows(self, rows: Sequence[bytes]) -> None:
            with plant.spool.transaction():  # the collector, meanwhile
                plant.spool.dead.add(letter)

    resend_dead(plant.spool, "store", Slow())
    assert [one.times for one in plant.spool.dead.read()] == [2]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--store", "stroe"), r"no \[\[sink\]\] is named 'stroe' \(there is 'store', 'lines'\): name one of them"),
        (("--store", "lines"), r"store 'lines' is of a kind that takes no single rows: .*`kind` it had"),
        (("--topic", "sink:store"), r"no messages: ask with `--store store`"),
    ],
)
def test_what_cannot_be_offered_is_a_sentence_with_the_remedy(plant, options, sentence):
    with pytest.raises(NotResent, match=sentence):
        replayed(plant, *options)
