"""The simulated plant from end to end: its faults are told, and nobody is called for nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from collector.sources.plant_model.truth import Truth
from collector.sources.simulated import Plant
from deploy.demo import SITES, DemoOptions, Progress, run_demo
from deploy.jobs import Jobs
from deploy.report import Report

TOLD_BY = {
    "line_stop": "output_drop",
    "tool_wear": "output_drop",
    "supplier_stops": "shortage",
    "sensor_stuck": "stuck",
    "gateway_silent": "silent",
    "clock_jump": "silent",  # readings of a wrong clock are kept from the detectors, and booked
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nev_drive")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    options = DemoOptions(site="nev_drive", speed=None, until_end=True, report=folder, board=False)
    report = run_demo(options, Progress(), Jobs())
    assert report is not None
    return report


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Plant.load(SITES / "nev_drive" / "plant.toml").truth()


def test_both_dialects_arrive_whole(report: Report) -> None:
    assert report.published > 20_000
    assert (report.stored, report.lost, report.duplicates_visible) == (report.published, 0, 0)


def test_every_kind_of_fault_is_told(report: Report) -> None:
    assert {fault.fault for fault in report.faults} >= {*TOLD_BY, "supplier_late", "scrap_burst"}
    for fault in report.faults:
        if fault.fault in TOLD_BY:
            kinds = {alert.partition(":")[0] for alert in fault.alerts}
            assert TOLD_BY[fault.fault] in kinds, fault


def test_what_is_missing_is_booked(report: Report) -> None:
    booked = {fault.fault: fault.gaps for fault in report.faults}
    assert "clock" in booked["clock_jump"]
    assert "disconnected" in booked["gateway_silent"]


def test_every_stock_that_ran_empty_was_warned_of_in_time(report: Report, truth: Truth) -> None:
    assert len(report.shortages) == len(truth.empties) > 0
    assert all(one.lead_time_s is not None and one.lead_time_s >= 600.0 for one in report.shortages)
    assert report.false_shortage_alerts == 0


def test_nobody_is_called_for_nothing(report: Report, truth: Truth) -> None:
    """Each alert that calls a person begins within a fault of its line or what the fault left behind (1 h)."""
    after_s = 3600.0
    for alert in report.alerts:
        if not alert.suppressed:
            line = alert.subject.split(":")[0].removesuffix("/line").removesuffix("/store")
            own = [fault for fault in report.faults if fault.line == line]
            assert any(fault.start <= alert.raised_at <= fault.end + after_s for fault in own), alert


def test_breaks_are_suppressed_and_shown_as_such(report: Report, truth: Truth) -> None:
    lunch_at = dt.datetime(2026, 3, 2, 4, 0, tzinfo=dt.UTC).timestamp()
    lunch = [stop for stop in report.stops if abs(stop.start - lunch_at) < 60.0]
    assert len(lunch) == 4
    assert all(stop.suppressed for stop in lunch)
    assert any(stop.planned for stop in truth.stops)


def test_the_truth_stands_beside_the_report(report: Report, folder: Path, truth: Truth) -> None:
    assert msgspec.json.decode((folder / "truth.json").read_bytes(), type=Truth) == truth
    assert "## Faults of the plant" in (folder / "report.md").read_text()


def test_the_chain_names_who_stops(report: Report) -> None:
    igbt = [one for one in report.exposures if one["material"] == "igbt_module" and one["node"] == "inverter_1"]
    assert igbt
    assert igbt[0]["best_action"]
    assert igbt[0]["lost_per_d"] > 0
    assert "inverter" in " ".join(str(one["node"]) for one in report.exposures)
