"""Dropped files: every row on disk before the file is moved, once and only once, whatever ends the process."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.clocks.clock import WallClock
from collector.config import DropSettings
from collector.dead_replay import Revived, replay_dead
from collector.decoder import Decoder
from collector.formats import json_fields
from collector.health.counters import Counters
from collector.readings import Batch, Quality
from collector.sources.drop_folder import DropFolder
from collector.spool.dead import DeadLetter
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from collector.tally import taken
from collector.topics import TopicTemplate
from tests.collector.inventory.collecting import MOVEMENTS, SITE, collect, decoder, figures, on_hand, records

HEAD = "at,item,quantity\n"


@pytest.fixture
def folder(path: Path) -> Path:
    made = path.parent / "in"
    made.mkdir(parents=True)
    return made


def rows(first: int, last: int) -> str:
    return "".join(f"2026-03-02T08:{i // 60:02}:{i % 60:02}Z,igbt,1\n" for i in range(first, last))


def read(spool: Spool, *drops: DropSettings) -> Counters:
    return collect(spool, drops=drops or (MOVEMENTS,))


def booked(spool: Spool) -> float | None:
    """What all movements come to: nothing was counted, so it is a sum."""
    return on_hand(spool)


def test_rows_become_messages_and_the_file_is_moved(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_text(HEAD + rows(0, 30))
    counters = read(spool)
    assert booked(spool) == 30.0
    assert [one.name for one in (folder / "done").iterdir()] == ["a.csv"]
    assert counters.totals()[0]["drop_rows"] == 30


def test_two_rows_alike_are_two_movements_and_the_same_file_again_is_none(spool: Spool, folder: Path) -> None:
    for _ in range(2):
        (folder / "a.csv").write_text(HEAD + 2 * rows(0, 1))
        read(spool)
    assert booked(spool) == 2.0
    assert {one.name for one in (folder / "done").iterdir()} == {"a.csv", "a.csv.1"}


def test_a_file_that_grew_is_read_to_its_new_end(spool: Spool, folder: Path) -> None:
    file = folder / "a.csv"
    file.write_text(HEAD + rows(0, 10))
    drop = DropFolder(MOVEMENTS, folder.parent, WallClock(), Counters(report_every_s=None), spool.recall)
    first = drop.receive(100)
    file.write_text(HEAD + rows(0, 15))
    first.acknowledge()
    rest = drop.receive(100)
    rest.acknowledge()
    assert [len(first.messages), len(rest.messages)] == [10, 5]
    assert not file.exists()


def test_what_was_not_acknowledged_comes_again(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_text(HEAD + rows(0, 10))
    drop = DropFolder(MOVEMENTS, folder.parent, WallClock(), Counters(report_every_s=None), spool.recall)
    before = drop.receive(4)
    again = drop.receive(4)
    assert [one.payload for one in again.messages] == [one.payload for one in before.messages]
    again.acknowledge()
    assert b'"_row":6' in drop.receive(4).messages[0].payload


def test_a_file_that_is_still_being_written_is_left_alone(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_text(HEAD + rows(0, 10))
    patient = msgspec.structs.replace(MOVEMENTS, settle_s=60.0)
    read(spool, patient)
    assert booked(spool) is None
    long_ago_s = time.time() - 61
    os.utime(folder / "a.csv", (long_ago_s, long_ago_s))
    read(spool, patient)
    assert booked(spool) == 10.0


def test_rows_that_cannot_be_read_are_dead_letters_with_file_and_row(spool: Spool, folder: Path) -> None:
    torn = b"2026-03-02T09:00:00Z,igbt\n" + b"2026-03-02T09:00:00Z,\xff,1\n" + b"2026-03-02T09:00:00Z,igbt,many\n"
    (folder / "a.csv").write_bytes(HEAD.encode() + torn + rows(0, 3).encode())
    read(spool)
    assert booked(spool) == 3.0
    reasons = sorted(letter.reason for letter in spool.dead.read())
    assert [reason.partition(": ")[0] for reason in reasons[:2]] == ["a.csv row 2", "a.csv row 3"]
    assert 'a.csv row 4: field `quantity` holds "many", a number is wanted' in reasons[2]
    assert spool.ledger.total(Cause.DEAD_LETTER) == 3
    assert (taken(spool).messages, taken(spool).dead_lettered) == (6, 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\x00\x01\x02", "names no columns"),
        (b"at,item,item\n1,2,3\n", "a column stands twice"),
        ("at,item,quantity\n".encode("utf-16"), "names no columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside_with_the_reason(
    spool: Spool, folder: Path, content: bytes, why: str
) -> None:
    (folder / "bad.csv").write_bytes(content)
    (folder / "good.csv").write_text(HEAD + rows(0, 2))
    counters = read(spool)
    assert booked(spool) == 2.0
    assert (folder / "failed" / "bad.csv").read_bytes() == content
    assert why in (folder / "failed" / "bad.csv.why.txt").read_text()
    assert counters.totals()[0]["drop_files_failed"] == 1
    assert [gap.asset for gap in spool.ledger.read()] == ["file bad.csv"]


def test_the_ledger_says_when_a_file_that_failed_could_be_read_after_all(spool: Spool, folder: Path) -> None:
    for content in (b"", b"", (HEAD + rows(0, 2)).encode()):
        (folder / "a.csv").write_bytes(content)
        read(spool)
    (gap,) = spool.ledger.read()
    assert (gap.asset, gap.missing, gap.note) == ("file a.csv", 0, "came after all")


WRONG_TABLES = {
    "semicolons": ("at;item;quantity\n1;2;3\n", {}, r"cut at ';', not at ',': correct `delimiter` of its"),
    "tabs": ("at\titem, name\tquantity\n", {}, r"cut at '\\t', not at ',': correct `delimiter` of its"),
    "a column is lacking": (HEAD, {"needs": ("item", "place")}, r"no column 'place', only 'at', 'item', 'quantity': "),
    "not its encoding": (HEAD + "1,2,3,\n", {"encoding": "utf-16"}, r"it is not utf-16: correct `encoding` of its"),
}


@pytest.mark.parametrize(("text", "settings", "why"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_table_whose_rows_cannot_be_told_apart_is_refused_once(
    spool: Spool, folder: Path, text: str, settings: dict[str, Any], why: str
) -> None:
    (folder / "a.csv").write_text(text)
    read(spool, msgspec.structs.replace(MOVEMENTS, **settings))
    assert re.search(why, (folder / "failed" / "a.csv.why.txt").read_text())
    assert spool.dead.count() == 0


@pytest.mark.parametrize("movements", [2_500, 5_000])
def test_a_days_movements_under_one_date_are_all_booked(spool: Spool, folder: Path, movements: int) -> None:
    text = "at,item,quantity,id\n" + "".join(f"2026-03-02,igbt,1,GR {i}\n" for i in range(movements))
    for _ in range(2):
        (folder / "export.csv").write_text(text)
        read(spool)
    assert booked(spool) == movements
    assert spool.ledger.read() == []


def test_rows_of_any_time_past_are_history_and_those_to_come_are_flagged(spool: Spool, folder: Path) -> None:
    now_s = int(time.time())
    ages_s = [3 * 86_400 + i for i in range(500)] + [3_600, -3_600]
    (folder / "a.jsonl").write_text("".join(f'{{"ts": {now_s - age_s}, "level": 4}}\n' for age_s in ages_s))
    topic = TopicTemplate("files/{line}")
    options = json_fields.Options(time="ts", fields={"level": json_fields.Field()})
    reader = Decoder([(topic, json_fields.build(options, SITE, topic))], WallClock())
    collect(
        spool, drops=[DropSettings(folder="in", topic="files/a", glob="*", format="lines", settle_s=0.0)], reader=reader
    )
    bodies = [one.body for one in spool.log.read(0, 10_000, kinds=(FrameKind.BATCH,))]
    qualities = Counter(quality for body in bodies if isinstance(body, Batch) for quality in body.quality.tolist())
    assert qualities == {Quality.GOOD | Quality.HISTORICAL: 500, Quality.GOOD: 1, Quality.CLOCK: 1}
    assert [(gap.cause, gap.missing) for gap in spool.ledger.read()] == [(Cause.CLOCK, 1)]


def test_a_link_is_not_followed(spool: Spool, folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text(HEAD + "a,password,1\n")
    (folder / "a.csv").symlink_to(secret)
    (folder / "b.csv").symlink_to("nowhere")
    (folder / "c.csv").mkdir()
    read(spool)
    assert "it is a link, which is not followed: drop the file itself" in (folder / "failed/a.csv.why.txt").read_text()
    assert {one.name for one in folder.iterdir()} == {"failed", "c.csv"}
    assert spool.dead.count() == 0
    assert secret.exists()


def test_the_reason_is_written_through_no_link(spool: Spool, folder: Path) -> None:
    victim = folder.parent / "victim"
    victim.write_text("mine")
    (folder / "failed").mkdir()
    (folder / "failed" / "a.csv.why.txt").symlink_to(victim)
    (folder / "a.csv").write_text("")
    read(spool)
    assert (victim.read_text(), (folder / "failed" / "a.csv").exists()) == ("mine", True)


def test_a_row_of_another_encoding_is_read_as_its_drop_says_by_then(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_bytes(
        HEAD.encode() + 2 * "2026-03-02T08:00:00Z,模块,1\n".encode("gb18030") + rows(0, 1).encode()
    )
    read(spool)
    assert {letter.topic for letter in spool.dead.read()} == {"drop:in"}
    assert replay_dead(spool, decoder(), drops=[MOVEMENTS]) == Revived(still_dead=2)
    assert "a.csv row 3: it is not utf-8" in spool.dead.read()[0].reason
    assert replay_dead(spool, decoder()).still_dead == 2
    assert "no [[drop]] reads it as csv from folder 'in'" in spool.dead.read()[0].reason
    mended = msgspec.structs.replace(MOVEMENTS, encoding="gb18030")
    assert replay_dead(spool, decoder(), "drop:in", [mended]).letters == 2
    assert on_hand(spool, "模块") == 2.0
    assert (spool.dead.count(), spool.ledger.total(Cause.DEAD_LETTER)) == (0, 0)


def test_a_text_without_an_end_is_kept_as_it_is(spool: Spool, folder: Path) -> None:
    endless = '2026-03-02T08:00:00Z,"' + 200_000 * "x" + ",1\n"
    (folder / "a.csv").write_text(HEAD + endless + rows(0, 2))
    read(spool)
    assert booked(spool) == 2.0
    (letter,) = spool.dead.read()
    assert "a.csv row 2: field larger than field limit (131072): close the quote" in letter.reason
    assert letter.payload.decode() == f'{{"file":"a.csv","row":2,"repeat":0}}\n{HEAD}{endless}'
    assert replay_dead(spool, decoder(), drops=[MOVEMENTS]).still_dead == 1
    assert "close the quote" in spool.dead.read()[0].reason


def test_what_is_no_row_of_a_file_stays_with_a_sentence(spool: Spool) -> None:
    with spool.transaction():
        spool.dead.add(DeadLetter("drop:in", b"nonsense", "", 1))
    assert replay_dead(spool, decoder(), drops=[MOVEMENTS]).still_dead == 1
    assert "no row of a dropped file" in spool.dead.read()[0].reason


def test_other_spreadsheets_are_read_as_they_save(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_text("at;item;quantity\n2026-03-02T08:00:00Z;模块, groß;-1,5\n", encoding="gb18030")
    read(spool, msgspec.structs.replace(MOVEMENTS, delimiter=";", decimal=",", encoding="gb18030"))
    assert figures(spool) == {"nanjing/inventory/模块, groß:on_hand": 0.0}
    assert [gap.cause for gap in spool.ledger.read()] == []


def test_a_file_that_is_too_large_is_set_aside(spool: Spool, folder: Path) -> None:
    (folder / "a.csv").write_text(HEAD + rows(0, 1000))
    read(spool, msgspec.structs.replace(MOVEMENTS, max_mb=0.01))
    assert "over 0.01 MB: split it" in (folder / "failed" / "a.csv.why.txt").read_text()


def test_rows_that_belong_together_are_one_message(spool: Spool, folder: Path) -> None:
    text = (
        "item,version,valid_from,component,quantity_per\ninverter,B,2026-04-01,igbt,6\ninverter,B,2026-04-01,die,24\n"
    )
    (folder / "boms.csv").write_text(text)
    read(spool, DropSettings(folder="in", topic="andon/v1/nanjing/bom", settle_s=0.0, together=True))
    (bom,) = records(spool, "bom_version")
    assert bom.fields["components"] == 2
    assert bom.detail["lines"][1] == {"component": "die", "quantity_per": 24.0}


def test_lines_and_whole_files_are_messages_as_they_are(spool: Spool, folder: Path) -> None:
    one = '{"at": "2026-03-02T08:00:00Z", "item": "igbt", "quantity": 7}'
    (folder / "a.jsonl").write_text(f"{one}\n\n{one.replace('7', '8')}\n")
    (folder / "a.json").write_text(one.replace("7", "9"))
    drops = [
        msgspec.structs.replace(MOVEMENTS, glob="*.jsonl", format="lines"),
        msgspec.structs.replace(MOVEMENTS, glob="*.json", format="file"),
    ]
    read(spool, *drops)
    assert booked(spool) == 24.0


def test_a_missing_folder_is_told_and_stops_nothing(spool: Spool) -> None:
    counters = read(spool)
    assert [trouble.what for trouble in counters.troubles()] == ["drop"]


def test_a_kill_at_any_moment_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """Without ids and with rows alike, so that nothing but the place in the file can tell a repeat."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.csv").write_text(HEAD + rows(0, 80) + rows(0, 80))
    chance = random.Random(7)
    command = [sys.executable, "-m", "tests.collector.inventory.collecting", str(tmp_path)]
    while list((tmp_path / "in").glob("*.csv")):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(3, 14)):
                process.stdout.readline()
            time.sleep(chance.random() * 0.005)
            process.send_signal(signal.SIGKILL)
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        assert taken(spool).messages == 3 * 160
        assert on_hand(spool) == 160.0  # the second and third file say again what the first said
    assert {one.name for one in (tmp_path / "in" / "done").iterdir()} == {"a.csv", "b.csv", "c.csv"}
