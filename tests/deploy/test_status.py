"""`andon status` says in one screen what is wrong with Andon itself, from the spool alone, whoever still runs."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collector.clocks.clock import WallClock
from collector.config import HealthSettings
from collector.health.counters import Counters, report
from collector.health.server import HealthError
from collector.inventory.booking import REFUSED_NOTE
from collector.readings import NS_PER_S, Batch, Equipment, Series
from collector.spool.dead import DeadLetter
from collector.spool.frames import batch_frame
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from deploy.cli import app
from deploy.jobs import Jobs
from deploy.running import start_detection
from deploy.site import SiteFile, load_site
from deploy.status import Status, status_of
from tests.collector.batches import batch

SITES = Path(__file__).parents[2] / "deploy" / "sites"
NOW_NS = time.time_ns()
PROCESSES = ("collector", "detection", "chain")
LEVEL = Series(Equipment("iot1", "teaching_factory", line="bottling"), "level")


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is now: the command asks the wall, however long ago this file was loaded."""
    monkeypatch.setattr(f"{__name__}.NOW_NS", time.time_ns())


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    shutil.copy(SITES / "teaching_factory" / "site.toml", tmp_path)
    shutil.copytree(SITES / "teaching_factory" / "chain", tmp_path / "chain")
    return load_site(tmp_path / "site.toml")


@pytest.fixture
def spool(site: SiteFile) -> Iterator[Spool]:
    with site.open_spool() as opened:
        yield opened


def reported(site: SiteFile, spool: Spool, counters: Counters, age_s: float) -> None:
    assert report(counters, site.site, spool, NOW_NS - int(age_s * NS_PER_S))


def healthy(site: SiteFile, spool: Spool) -> Counters:
    """Every process has reported twice, the collector 300 messages and readings in between."""
    mine = {name: Counters(process=name) for name in PROCESSES}
    for age_s in (40.0, 10.0):
        mine["collector"].add("messages_received", 300)
        mine["collector"].add("readings_stored", 600)
        mine["collector"].set("broker_connected", 1)
        for counters in mine.values():
            counters.add("frames_dealt_with")
            reported(site, spool, counters, age_s)
    dealt_with(site, spool)
    return mine["collector"]


def dealt_with(site: SiteFile, spool: Spool) -> None:
    with spool.transaction():
        spool.log.advance("sink:lines", spool.log.end())
        for line in spool.log.lines():
            rev = spool.states.load(line).rev
            spool.states.commit(line, spool.log.end(), 1, b"", rev)


def arrive(spool: Spool, age_s: float) -> None:
    received_ns = NOW_NS - int(age_s * NS_PER_S)
    with spool.transaction():
        number = spool.series.id_of(LEVEL)
        body: Batch = batch((number, received_ns, 1.0, 0, received_ns))
        spool.log.append([batch_frame(LEVEL.equipment.shard, body)])


def said(site: SiteFile, spool: Spool) -> Status:
    return status_of(site, spool, NOW_NS)


def test_a_healthy_site_has_nothing_wrong(site: SiteFile, spool: Spool) -> None:
    arrive(spool, 20.0)
    healthy(site, spool)
    found = said(site, spool)
    assert found.wrong == []
    assert found.broker_connected is True
    assert found.received_per_s == pytest.approx(10.0)
    assert found.stored_per_s == pytest.approx(20.0)
    assert [store.frames for store in found.stores] == [0]
    assert found.detection_lag_s == {"teaching_factory/bottling": 0.0}


def test_without_any_process_it_says_which_to_start(site: SiteFile, spool: Spool) -> None:
    found = said(site, spool)
    assert [sentence.split(":")[0] for sentence in found.wrong] == [
        "andon collect does not run",
        "andon detect does not run",
        "andon chain run does not run",
    ]
    assert found.received_per_s is None
    assert found.broker_connected is None


def test_a_process_that_ended_is_named_with_its_last_word(site: SiteFile, spool: Spool) -> None:
    healthy(site, spool)
    found = status_of(site, spool, NOW_NS + 3600 * NS_PER_S)
    assert found.wrong[0] == "andon collect does not run: it last reported 60 min ago; start it, or see its log"


def test_a_stuck_store_is_named_with_what_waits_for_it(site: SiteFile, spool: Spool) -> None:
    healthy(site, spool)
    arrive(spool, 4000.0)
    arrive(spool, 1.0)
    found = said(site, spool)
    (sentence,) = [one for one in found.wrong if "store" in one]
    assert sentence.startswith("store 'lines' takes nothing: 2 frames wait, the oldest for 67 min")
    assert found.stores[0].eta_s is None


def test_a_store_that_catches_up_has_a_time_and_is_not_wrong(site: SiteFile, spool: Spool) -> None:
    counters = healthy(site, spool)
    arrive(spool, 4000.0)
    counters.set("sink_backlog_eta_s/lines", 120)
    counters.report_every_s = 1.0
    reported(site, spool, counters, 0.0)
    found = said(site, spool)
    assert [one for one in found.wrong if "store" in one] == []
    assert found.stores[0].eta_s == 120.0


def test_detectors_that_are_behind_are_named_by_line(site: SiteFile, spool: Spool) -> None:
    healthy(site, spool)
    arrive(spool, 600.0)
    assert any("detectors of teaching_factory/bottling are 10 min behind" in one for one in said(site, spool).wrong)


def test_what_the_processes_say_is_wrong_is_told(site: SiteFile, spool: Spool) -> None:
    counters = healthy(site, spool)
    counters.report_every_s = 1.0
    for at_s in (6.0, 3.0):
        counters.set("broker_connected", 0)
        counters.set("clock_offset_ms/teaching_factory/bottling", -600_000)
        counters.add("ingest_held_up")
        counters.add("dead_lettered")
        reported(site, spool, counters, at_s)
    wrong = "\n".join(said(site, spool).wrong)
    assert "the collector is not connected to its broker" in wrong
    assert "the collector cannot write" in wrong
    assert "messages arrive that cannot be read" in wrong
    assert "the clock of teaching_factory/bottling is 10 min behind" in wrong


def test_the_ledger_of_the_last_day_is_summed_by_cause(site: SiteFile, spool: Spool) -> None:
    hour_ns = 3600 * NS_PER_S
    with spool.transaction():
        spool.ledger.add(Gap("a", Cause.SEQ_GAP, NOW_NS - 30 * hour_ns, NOW_NS - 29 * hour_ns, 5, "old"))
        spool.ledger.add(Gap("a", Cause.SEQ_GAP, NOW_NS - 3 * hour_ns, NOW_NS - 2 * hour_ns, 7, "lost"))
        spool.ledger.add(Gap("b", Cause.SEQ_GAP, NOW_NS - 2 * hour_ns, NOW_NS - hour_ns, 2, "lost too"))
    (missing,) = said(site, spool).missing
    assert (missing.cause, missing.entries, missing.missing, missing.last_asset) == ("seq_gap", 2, 9, "b")


def test_files_and_stock_events_that_were_not_taken_are_told_until_they_were(site: SiteFile, spool: Spool) -> None:
    healthy(site, spool)
    failed = Gap("file a.csv", Cause.DEAD_LETTER, NOW_NS, NOW_NS, 1, "a.csv: it is empty: write it again")
    refused = Gap("andon/v1/x/movement", Cause.DEAD_LETTER, NOW_NS, NOW_NS, 3, REFUSED_NOTE)
    with spool.transaction():
        for gap in (failed, refused):
            spool.ledger.add(gap)
    first, second = said(site, spool).wrong
    assert (
        first == "dropped files could not be read 1x, the last: a.csv: it is empty: write it again; it waits in failed/"
    )
    assert second == "3 counts, movements or orders were not booked: `andon dead list` says why"
    with spool.transaction():
        for gap in (failed, refused):
            spool.ledger.add(gap._replace(missing=-gap.missing))
    assert said(site, spool).wrong == []


# ---- the commands ----


def test_a_process_answers_over_http_while_it_runs_and_refuses_a_port_in_use(site: SiteFile) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    listening = replace(site, health=HealthSettings(detect_port=port))
    jobs, second = Jobs(), Jobs()
    start_detection(jobs, listening, WallClock(), Counters(process="detection"))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert json.load(answer)["process"] == "detection"
        with pytest.raises(HealthError, match=f"{port} cannot listen"):
            start_detection(second, listening, WallClock(), Counters(process="detection"))
    finally:
        jobs.end()
        second.end()


def asked(site: SiteFile, *more: str) -> Result:
    return CliRunner().invoke(app, ["status", str(site.document.path), *more])


def test_the_screen_fits_one_screen_and_the_exit_code_tells(site: SiteFile, spool: Spool) -> None:
    healthy(site, spool)
    with spool.transaction():
        spool.dead.add(DeadLetter("a/b", b"?", "not a JSON object", NOW_NS))
    dealt_with(site, spool)
    answer = asked(site)
    assert answer.exit_code == 0, answer.output
    assert "all is well" in answer.output
    assert "1 (andon dead list)" in answer.output
    assert len(answer.output.splitlines()) <= 24


def test_something_wrong_is_exit_code_1_and_said_first(site: SiteFile, spool: Spool) -> None:
    answer = asked(site)
    assert answer.exit_code == 1
    assert answer.output.splitlines()[1].strip().startswith("! andon collect does not run")


def test_json_holds_everything(site: SiteFile, spool: Spool) -> None:
    answer = asked(site, "--json")
    assert answer.exit_code == 1
    found = json.loads(answer.output)
    assert set(found) == set(Status.__struct_fields__)
    assert len(found["wrong"]) == 3


def test_no_spool_at_all_is_a_sentence(site: SiteFile) -> None:
    answer = asked(site)
    assert "does not exist: start `andon collect`" in str(answer.exception)
