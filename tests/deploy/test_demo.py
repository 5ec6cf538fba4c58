"""The real capture from end to end, in one process: what the first run of Andon promises."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from collector.schema import SELF_LINE
from deploy.backtest.run import BacktestOptions, run_backtest
from deploy.demo import SITES, DemoError, DemoOptions, Progress, run_demo
from deploy.jobs import Jobs
from deploy.report import Report
from deploy.shortages import RULE

ALMOST_REAL = 4000.0  # capture seconds per second


def report_at(speed: float | None, folder: Path, site: str = "teaching_factory") -> Report:
    options = DemoOptions(site=site, speed=speed, until_end=True, report=folder, board=False)
    report = run_demo(options, Progress(), Jobs())
    assert report is not None
    return report


def of_the_plant(report: Report) -> Report:
    """Without what Andon says of itself: a machine that is too busy to keep a connection is told, and rightly."""
    alerts = [alert for alert in report.alerts if f"/{SELF_LINE}/" not in alert.subject]
    return msgspec.structs.replace(report, alerts=alerts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return report_at(None, folder)


def test_every_message_is_accounted_for(report: Report) -> None:
    assert report.published == 13_755
    assert report.stored + report.dead_lettered == report.published
    assert (report.dead_lettered, report.lost, report.duplicates_visible) == (0, 0, 0)


def test_a_back_test_raises_the_same_alerts_as_the_run_itself(report: Report) -> None:
    found = run_backtest(BacktestOptions(SITES / "teaching_factory" / "site.toml"), lambda count, total, at_ns: None)
    said = [(alert.key, alert.raised_at, alert.cleared_at) for alert in of_the_plant(report).alerts]
    assert [(one.alert.rpartition("@")[0], one.raised_at, one.cleared_at) for one in found.alerts] == said
    assert found.shortages == report.shortages
    assert found.outcomes.get("false", 0) == report.false_shortage_alerts


def test_people_are_warned_before_a_dispenser_runs_empty(report: Report) -> None:
    assert len(report.shortages) == 28
    leads = [one.lead_time_s for one in report.shortages if one.lead_time_s is not None]
    assert sum(lead >= 60.0 for lead in leads) >= 27
    assert report.false_shortage_alerts <= 3
    assert report.false_shortage_alerts <= report.shortage_alerts_not_empty <= 4


def test_no_refill_raises_an_alert(report: Report) -> None:
    """A shortage alert stands at a stock that is low, never at one just filled (800 g)."""
    raised = [alert for alert in report.alerts if alert.kind == "shortage"]
    assert raised
    assert all(float(alert.evidence["stock"]) < 400.0 for alert in raised)


def test_every_long_stop_is_told_and_the_night_is_shown_as_planned(report: Report) -> None:
    stops = [stop for stop in report.stops if stop.end - stop.start >= 56.0]
    assert len(stops) == 12
    assert [stop.end - stop.start for stop in stops if stop.suppressed] == [66_620.0]
    assert all(stop.raised_at is not None for stop in stops)
    assert all(0.0 < stop.raised_at - stop.start <= 45.0 for stop in stops if stop.raised_at is not None)


def test_one_cause_one_alert(report: Report) -> None:
    """The rig reports only while it makes bottles: what its silence adds to a stop is suppressed by it."""
    calling = {alert.kind for alert in report.alerts if not alert.suppressed}
    assert calling == {"shortage", "output_drop"}
    stops = [stop for stop in report.stops if not stop.suppressed]
    drops = [alert for alert in report.alerts if alert.kind == "output_drop" and not alert.suppressed]
    assert len(drops) == len(stops)


def test_every_alert_has_its_evidence_and_its_consequence(report: Report) -> None:
    assert all(alert.evidence for alert in report.alerts)
    exposed = {(one["node"], one["causes"][0].partition(":")[0]) for one in report.exposures}
    assert ("bottling", "output_drop") in exposed
    assert any(cause == "shortage" for _, cause in exposed)


def test_the_speed_changes_nothing(report: Report, folder: Path, tmp_path: Path) -> None:
    slower = report_at(ALMOST_REAL, tmp_path)
    assert of_the_plant(slower) == of_the_plant(report)
    if slower.alerts == report.alerts:
        assert (tmp_path / "report.json").read_bytes() == (folder / "report.json").read_bytes()


def test_the_report_reads_as_promised(report: Report, folder: Path) -> None:
    body = msgspec.json.decode((folder / "report.json").read_bytes())
    wanted = {"published", "stored", "dead_lettered", "lost", "duplicates_visible", "alerts", "shortages"}
    assert wanted | {"false_shortage_alerts", "shortage_alerts_not_empty", "stops", "exposures"} <= body.keys()
    assert {"key", "kind", "subject", "raised_at", "cleared_at", "evidence"} <= body["alerts"][0].keys()
    assert {"subject", "empty_at", "warned_at", "lead_time_s"} <= body["shortages"][0].keys()
    assert {"from", "to", "raised_at", "suppressed"} <= body["stops"][0].keys()
    page = (folder / "report.md").read_text()
    assert f"{RULE} Alerts whose stock was not empty, for whatever reason: " in page
    assert "| published | 13755 |" in page
    assert page.count("fill_level |") >= 28


def test_an_unknown_site_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no demo site 'moon'; there is nev_drive, teaching_factory"):
        report_at(None, tmp_path, site="moon")
