"""From messages to figures on a real spool: what is said, what is refused, and what a restart or a replay changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from collector.config import ConfigError, read
from collector.dead_replay import replay_dead
from collector.readings import Batch, Kind, Quality
from collector.schema import BOM_VERSION, STOCK_RECEIPTS
from collector.sources.brokers import brokers_of, readings_of
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from collector.tally import taken
from tests.collector.inventory.collecting import SITE, collect, decoder, figures, on_hand, records
from tests.collector.inventory.events import at

RECEIVED_NS = at(1000)


def message(signal: str, hour: float, **fields: object) -> Message:
    said = {"at": at(hour) // 1_000_000, "item": "igbt", **fields}
    return Message(f"andon/v1/nanjing/{signal}", json.dumps(said).encode(), RECEIVED_NS)


def qualities(spool: Spool, series: str) -> list[int]:
    batches = [frame.body for frame in spool.log.read(0, 10_000, kinds=(FrameKind.BATCH,))]
    return [
        quality
        for batch in batches
        if isinstance(batch, Batch)
        for number, quality in zip(batch.series.tolist(), batch.quality.tolist(), strict=True)
        if spool.series[number].name == series
    ]


DAY: Sequence[Message] = (
    message("stock", 0, quantity=100, place="store"),
    message("movement", 1, id="M1", quantity=30, **{"from": "store", "to": "line"}),
    message("stock", 2, quantity=25, place="line"),
    message("receipt", 3, id="PO 1", quantity=40, promised="2026-03-03T08:00:00Z", supplier="acme"),
    message("movement", 4, id="GR 1", quantity=15, place="store", receipt="PO 1"),
    message("stock", 5, quantity=83, place="store"),
)


def test_a_day_becomes_one_figure_with_what_is_on_its_way(spool: Spool) -> None:
    collect(spool, DAY)
    assert figures(spool) == {
        "nanjing/inventory/igbt:on_hand": 108.0,
        "nanjing/store/inventory/igbt:on_hand": 83.0,
        "nanjing/line/inventory/igbt:on_hand": 25.0,
        "nanjing/inventory/igbt:in_transit": 25.0,
        "nanjing/inventory/igbt:next_due/acme": 1_772_524_800.0,
        "nanjing/inventory/igbt:next_quantity/acme": 25.0,
        "nanjing/store/inventory/igbt:stock_difference": -2.0,
    }
    (receipts,) = records(spool, STOCK_RECEIPTS.name)
    assert receipts.fields == {
        "open": 1,
        "in_transit": 25.0,
        "next_id": "PO 1",
        "next_due": at(24) // 1_000_000,
        "next_supplier": "acme",
    }
    assert receipts.detail["series"] == "nanjing/inventory/igbt:on_hand"
    kinds = {one.metric: one.kind for one in spool.series.values()}
    assert (kinds["on_hand"], kinds["in_transit"]) == (Kind.STOCK, Kind.GAUGE)  # nothing on its way is no shortage


def test_message_by_message_and_over_restarts_comes_to_the_same(spool: Spool) -> None:
    for one in (*DAY, *reversed(DAY)):
        collect(spool, [one])
    assert figures(spool) == figures(spool) | {"nanjing/inventory/igbt:on_hand": 108.0}
    assert figures(spool)["nanjing/store/inventory/igbt:stock_difference"] == -2.0
    said = spool.log.end()
    collect(spool, DAY)
    assert spool.log.end() == said, "what was known says nothing again"


def test_what_was_never_counted_is_of_bad_quality_until_it_is(spool: Spool) -> None:
    collect(spool, [message("movement", 1, id="M", quantity=5)])
    collect(spool, [message("stock", 2, quantity=9)])
    assert qualities(spool, "nanjing/inventory/igbt:on_hand") == [Quality.BAD, Quality.GOOD]


def test_more_out_than_was_there_is_booked_and_said(spool: Spool) -> None:
    collect(spool, [message("stock", 0, quantity=3), message("movement", 1, id="M", quantity=-5)])
    assert figures(spool) == {"nanjing/inventory/igbt:on_hand": 0.0, "nanjing/inventory/igbt:stock_missing": 2.0}
    (gap,) = spool.ledger.read()
    assert (gap.asset, gap.cause, gap.missing) == ("nanjing/inventory/igbt", Cause.STOCK, 1)
    collect(spool, [message("movement", 2, id="N", quantity=-1)])
    assert spool.ledger.total(Cause.STOCK) == 1, "once while it lasts"
    collect(spool, [message("movement", 0.5, id="late receipt", quantity=11)])
    assert figures(spool) == {"nanjing/inventory/igbt:on_hand": 8.0, "nanjing/inventory/igbt:stock_missing": 0.0}


def test_a_version_of_a_bill_of_materials_is_kept_as_the_latest_word(spool: Spool) -> None:
    lines = [{"component": "die", "quantity_per": 24}]
    for hour, quantity in ((0, 24), (1, 36)):
        lines[0]["quantity_per"] = quantity
        collect(spool, [message("bom", hour, version="B", valid_from="2026-04-01", lines=lines)])
    (latest,) = spool.log.latest(BOM_VERSION.name)
    assert (latest.key, latest.detail["lines"][0]["quantity_per"]) == ("nanjing|igbt|B", 36.0)


def test_a_time_ahead_is_taken_at_its_receipt_and_booked(spool: Spool) -> None:
    early = message("stock", 1001, quantity=5)._replace(received_ns=at(1))
    collect(spool, [early, message("movement", 2, id="M", quantity=-2)])
    assert on_hand(spool) == 3.0
    assert [(gap.asset, gap.cause) for gap in spool.ledger.read()] == [("nanjing/inventory", Cause.CLOCK)]


def test_what_comes_after_its_window_is_a_dead_letter_with_the_true_reason(spool: Spool) -> None:
    collect(spool, [message("stock", 0, quantity=5), message("movement", 24 * 9, id="now", quantity=1)])
    collect(spool, [message("movement", 24, id="late", quantity=7)])
    assert on_hand(spool) == 6.0
    (letter,) = spool.dead.read()
    assert "it is of 2026-03-03T08:00:00Z, and the book is closed up to 2026-03-04T08:00:00Z" in letter.reason
    assert spool.ledger.total(Cause.DEAD_LETTER) == 1
    assert replay_dead(spool, decoder()).still_dead == 1


def test_of_a_dead_letter_that_stays_what_was_booked_is_said(spool: Spool) -> None:
    """From a place where it is too late to one where it is not."""
    collect(spool, [message("movement", hour, id=f"{hour}", quantity=1, place="line") for hour in (0, 24 * 9)])
    moved = message("movement", 24, id="M", quantity=7, **{"from": "line", "to": "store"})
    with spool.transaction():
        spool.dead.add(DeadLetter(moved.topic, moved.payload, "an old mapping", RECEIVED_NS))
    assert replay_dead(spool, decoder()).still_dead == 1
    assert figures(spool)["nanjing/store/inventory/igbt:on_hand"] == 7.0


REFUSED = {
    "an id twice": (message("movement", 1, id="M", quantity=6), "its id stands for something else already"),
    "another unit": (message("movement", 1, id="N", quantity=6, unit="kg"), "igbt is booked in '1', this is in 'kg'"),
}


@pytest.mark.parametrize(("refused", "why"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_the_book_is_a_dead_letter(spool: Spool, refused: Message, why: str) -> None:
    counters = collect(spool, [message("stock", 0, quantity=5), message("movement", 1, id="M", quantity=5), refused])
    (letter,) = spool.dead.read()
    assert why in letter.reason
    assert [(gap.asset, gap.cause) for gap in spool.ledger.read()] == [(refused.topic, Cause.DEAD_LETTER)]
    assert (letter.topic, letter.payload) == (refused.topic, refused.payload)
    assert on_hand(spool) == 10.0
    assert counters.totals()[0]["dead_lettered"] == 1
    assert taken(spool).dead_lettered == 1


def test_a_dead_letter_that_is_read_after_all_goes_into_the_same_book(spool: Spool) -> None:
    collect(spool, [message("stock", 0, quantity=50)])
    collect(spool, [message("movement", 1, id="M", quantity=-4)], reader=decoder(time_unit="s"))
    assert 'write unit "ms" in site.toml' in spool.dead.read()[0].reason
    collect(spool, [message("movement", 2, id="N", quantity=-1)])
    assert replay_dead(spool, decoder()).letters == 1
    assert on_hand(spool) == 45.0
    collect(spool, [message("movement", 3, id="O", quantity=-1)])
    assert on_hand(spool) == 44.0
    assert spool.dead.count() == 0


def test_a_dead_letter_that_a_count_has_in_it_already_is_done_with_all_the_same(spool: Spool) -> None:
    collect(spool, [message("stock", 5, quantity=50)])
    collect(spool, [message("movement", 1, id="M", quantity=-4)], reader=decoder(time_unit="s"))
    assert replay_dead(spool, decoder()) == (1, 0, 0)
    assert (on_hand(spool), spool.dead.count(), spool.ledger.total(Cause.DEAD_LETTER)) == (50.0, 0, 0)


@pytest.mark.parametrize("format_", ["stock_signals", "epcis"])
def test_a_stock_is_not_shared_between_collectors(tmp_path: Path, format_: str) -> None:
    """Each would book only a part of what moved."""
    site = tmp_path / "site.toml"
    said = f'topic = "andon/v1/{{site}}/{{signal}}"\nformat = "{format_}"\nshared_group = "both"\n'
    site.write_text(f'[site]\nenterprise = "e"\nname = "nanjing"\n[[subscribe]]\n{said}')
    with pytest.raises(ConfigError, match=r"depends on those before it, .*; remove it"):
        readings_of(read(site), SITE, brokers_of(read(site)))


def test_what_is_said_is_counted_in_the_tally_like_any_reading(spool: Spool) -> None:
    collect(spool, DAY)
    rows = sum(len(f.body) for f in spool.log.read(0, 10_000, kinds=(FrameKind.BATCH,)) if isinstance(f.body, Batch))
    assert (taken(spool).messages, taken(spool).readings) == (len(DAY), rows)


def test_a_book_stays_small_however_busy_its_item(spool: Spool) -> None:
    movements = [message("movement", i / 100, id=f"document {i}", quantity=1) for i in range(3_000)]
    collect(spool, [message("stock", 0, quantity=0), *movements])
    assert on_hand(spool) == 3_000.0 - 1  # the first is as old as the count, which has it in
    assert len(spool.recall("stock nanjing/inventory/igbt")) < 100_000
    assert spool.recall("stock") == b"1"
