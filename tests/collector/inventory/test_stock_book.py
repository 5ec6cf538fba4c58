"""One figure per site and item, whatever order its events come in and however often."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.inventory.place_book import MOST_AT_ONCE, MOST_EVENTS, Event, PlaceBook, Verdict
from collector.inventory.signals import Level, Movement, Signal, as_name
from collector.inventory.stock_book import StockBook, StockFigures
from tests.collector.inventory.events import T0_NS, bom, booked, count, move, receipt

WITHIN_THE_WINDOW_H = 7 * 24 - 1


def test_a_count_is_an_anchor_and_what_moved_up_to_then_is_in_it() -> None:
    figures = booked(count(0, 100), move(1, -5), count(2, 90), move(2, -7, "with the count"), move(3, 40))
    assert figures.site.quantity == 130.0
    assert figures.site.difference is None  # that is told of each place
    assert figures.places[""].difference == (count(2, 0).at_ns, 90 - 88.0)


def test_a_stock_that_was_never_counted_is_a_sum_and_says_so() -> None:
    assert not booked(move(1, 5)).site.is_counted
    assert booked(move(1, 5), count(0, 3)).site == booked(count(0, 3), move(1, 5)).site


def test_more_out_than_was_there_is_below_zero_and_not_hidden() -> None:
    assert booked(count(0, 3), move(1, -5)).site.quantity == -2.0


def test_the_site_is_the_sum_of_its_counted_places() -> None:
    figures = booked(count(0, 10, place="store"), count(0, 4, place="line"), move(1, 3, place="dock"))
    assert figures.site.quantity == 14.0
    assert figures.places["dock"].quantity == 3.0


def test_a_transfer_changes_places_and_not_the_site() -> None:
    before = (count(0, 10, place="store"), count(0, 4, place="line"))
    figures = booked(*before, move(1, -2, "T", place="store"), move(1, 2, "T", place="line"))
    assert (figures.site.quantity, figures.places["line"].quantity) == (14.0, 6.0)


def test_what_is_taken_back_never_happened_whichever_comes_first() -> None:
    happened, void = move(1, -5, "M"), move(1, -5, "M", is_void=True)
    for signals in ((happened, void), (void, happened), (void, void, happened)):
        assert booked(count(0, 10), *signals).site.quantity == 10.0


def test_an_id_that_stands_for_something_else_is_refused_and_changes_nothing() -> None:
    book = StockBook()
    assert book.take(move(1, 5, "M")) is Verdict.COUNTED
    assert book.take(move(1, 6, "M")) is Verdict.CONFLICT
    assert book.figures().site.quantity == 5.0


def test_another_unit_is_refused() -> None:
    book = StockBook()
    book.take(count(0, 5, unit="kg"))
    with pytest.raises(ValueError, match=r"igbt is booked in 'kg', this is in 'g': bring the senders to one unit"):
        book.take(count(1, 5, unit="g"))


def test_a_wrong_unit_that_is_taken_back_makes_room_for_the_right_one() -> None:
    book = StockBook()
    book.take(count(0, 5, "C", unit="kg"))
    void = msgspec.structs.replace(move(0, 5, "C", is_void=True), unit="kg")
    book.take(void)
    assert book.take(count(1, 5, unit="g")) is Verdict.COUNTED
    assert (book.unit, book.figures().site.quantity) == ("g", 5.0)


def test_a_receipt_is_on_its_way_until_all_of_it_has_arrived() -> None:
    promised = receipt(0, 40, 24)
    assert [one.quantity for one in booked(promised).open] == [40.0]
    part = move(20, 15, "GR 1", receipt="PO 1")
    assert [one.quantity for one in booked(part, promised, part).open] == [25.0]
    assert booked(promised, part, move(21, 25, "GR 2", receipt="PO 1")).open == []


def test_the_latest_word_on_a_receipt_holds() -> None:
    first, later, off = receipt(0, 40, 24), receipt(5, 30, 72), receipt(9, 0, 72)
    for words in ((first, later), (later, first)):
        assert booked(*words).open == [later]
    assert booked(off, first, later).open == []


def test_a_count_does_not_end_a_receipt_and_its_arrival_before_the_count_does() -> None:
    promised, arrival = receipt(0, 40, 24), move(2, 40, "GR", receipt="PO 1")
    assert len(booked(promised, count(3, 5)).open) == 1
    figures = booked(promised, count(3, 45), arrival)
    assert (figures.open, figures.site.quantity) == ([], 45.0)


def test_a_version_said_again_is_known_and_a_later_word_replaces_it() -> None:
    book = StockBook()
    said = [book.take(one) for one in (bom(0, "A", 2.0), bom(0, "A", 2.0), bom(1, "A", 3.0), bom(0, "A", 2.0))]
    assert said == [Verdict.COUNTED, Verdict.KNOWN, Verdict.COUNTED, Verdict.KNOWN]


def test_what_comes_after_its_window_is_late_and_a_repeat_never_counts_twice() -> None:
    old, now = move(0, -5), move(24 * 30, -1)
    book = StockBook()
    for signal in (count(-1, 100), old, now):
        book.take(signal)
        book.figures()
    assert book.take(old) is Verdict.KNOWN
    assert book.take(move(0, -6, "never heard of")) is Verdict.LATE
    assert book.take(move(0, -6)) is Verdict.LATE, "its id came before, with other content"
    assert book.figures().site.quantity == 94.0


@pytest.mark.parametrize("events", [2_500, 5_000])
def test_events_of_one_instant_are_all_booked_in_whatever_portions_they_come(events: int) -> None:
    """An ERP's export has a day's movements under its date."""
    book = PlaceBook()
    for i in range(events):
        assert book.take(move(0, 1.0, f"M{i}")) is Verdict.COUNTED
        if i % 500 == 0:
            book.fold()
    assert book.take(move(24, 1.0, "the next day")) is Verdict.COUNTED
    book.fold()
    assert book.take(move(0, 1.0, "M7")) is Verdict.KNOWN
    assert book.take(move(0, 1.0, "one more of that day")) is Verdict.COUNTED
    assert book.figure().quantity == events + 2


def test_more_of_one_instant_than_is_kept_is_refused_and_the_next_instant_is_not() -> None:
    book = PlaceBook(events={f"M{i}": Event(T0_NS, 1.0) for i in range(MOST_AT_ONCE)})
    assert book.take(move(0, 1.0, "one too many")) is Verdict.CROWDED
    assert book.take(move(0, 1.0, "M1")) is Verdict.KNOWN
    assert book.take(move(1, 1.0)) is Verdict.COUNTED
    later = {f"later {i}": Event(T0_NS + 2 * 3_600 * 10**9 + i, 1.0) for i in range(MOST_EVENTS)}
    book.events |= later  # all at once: one by one, each is weighed against all that are there
    book.fold()
    assert (len(book.events), book.figure().quantity) == (MOST_EVENTS, MOST_AT_ONCE + MOST_EVENTS + 1)


def test_a_first_count_from_long_ago_finds_its_place_after_all() -> None:
    assert booked(move(0, -5), move(24 * 30, -1), count(-24, 100)).site.quantity == 94.0


def test_a_busy_place_keeps_a_bounded_number_of_events() -> None:
    book = PlaceBook()
    for i in range(MOST_EVENTS + 200):
        book.take(move(i / 1000, 1.0, f"M{i}"))
        book.fold()
    assert len(book.events) <= MOST_EVENTS
    assert book.figure().quantity == MOST_EVENTS + 200


hours = st.integers(0, WITHIN_THE_WINDOW_H)
amounts = st.integers(-50, 50).map(float)
places = st.sampled_from(("", "store", "line"))
events = st.one_of(
    st.builds(lambda h, q, p: count(h, abs(q), place=p), hours, amounts, places),
    st.builds(lambda h, q, p: move(h, q, place=p), hours, amounts, places),
    st.builds(lambda h, q, p, r: move(h, abs(q) + 1, f"GR {h}", p, r), hours, amounts, places, st.sampled_from("AB")),
    st.builds(lambda h, q, due, r: receipt(h, abs(q), due, r), hours, amounts, hours, st.sampled_from("AB")),
    st.builds(lambda h, q, p: move(h, q, place=p, is_void=True), hours, amounts, places),
)


@given(st.data())
def test_any_order_and_any_repeats_give_the_same_figures(data: st.DataObject) -> None:
    signals = data.draw(st.lists(events, max_size=25, unique_by=identity))
    in_order = sorted(signals, key=lambda one: one.at_ns)
    repeats = data.draw(st.lists(st.sampled_from(signals), max_size=25)) if signals else []
    shuffled = data.draw(st.permutations([*signals, *repeats]))
    assert figures_of(shuffled, restart_every=3) == figures_of(in_order)


def identity(signal: Signal) -> object:
    """What makes two events two: a place's ids are its own, a void is another word on the same."""
    if isinstance(signal, Level | Movement):
        return (signal.place, signal.id, isinstance(signal, Movement) and signal.is_void)
    return msgspec.json.encode(signal)


def figures_of(signals: Sequence[Signal], restart_every: int = 0) -> StockFigures:
    book = StockBook()
    for i, signal in enumerate(signals):
        assert book.take(signal) in (Verdict.COUNTED, Verdict.KNOWN)
        book.figures()
        if restart_every and i % restart_every == 0:
            book = msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=StockBook)
    figures = book.figures()
    return figures._replace(places=dict(sorted(figures.places.items())))


def test_two_items_never_become_one_name() -> None:
    assert as_name("A/1") not in ("A_1", "A/1", "A1")
    with pytest.raises(ValueError, match=r"the item 'A/1' holds one of .*: rename it"):
        Level(enterprise="e", site="s", item="A/1", id="1", at_ns=1, quantity=1.0)


@pytest.mark.parametrize(
    ("quantity", "why"),
    [(-1.0, "a count of -1 cannot be"), (float("nan"), "no plain number"), (1e300, "no plain number up to 1e\\+15")],
)
def test_what_cannot_be_counted_is_refused(quantity: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        count(0, quantity)
