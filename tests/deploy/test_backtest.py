"""Looking back: what rules would have been worth (`backtest`), why an alert was raised (`explain`), the scorecard."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from collector.readings import NS_PER_S
from collector.schema import EXPOSURE, AlertLevel
from collector.sources.plant_model.truth import Stop, Truth
from collector.spool.frames import Action, Control, Record
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from deploy.alerts import alerts_in
from deploy.backtest.canvas import Canvas
from deploy.backtest.replaying import replay_messages
from deploy.backtest.verdicts import Backtest, Judged, judged, load_on
from deploy.cli import app
from deploy.demo import playback_of
from deploy.site import load_site
from detectors.alerts import Alert, State, apply_control
from detectors.outputs import event_output

SITE = Path(__file__).parents[2] / "deploy" / "sites" / "teaching_factory" / "site.toml"
CAPTURE = SITE.parent / "capture.jsonl"
END = "2024-07-11T21:10:00Z"
END_NS = 1_720_732_200 * NS_PER_S
T0_NS = 1_720_700_000 * NS_PER_S


def run(*words: str | Path) -> Any:
    command = ["backtest", *map(str, words)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def report_of(folder: Path) -> Backtest:
    return msgspec.json.decode((folder / "backtest.json").read_bytes(), type=Backtest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the first 28 minutes of the capture."""
    target = tmp_path_factory.mktemp("backtest") / "report"
    result = run(SITE, "--capture", CAPTURE, "--to", END, "--report", target)
    assert result.exit_code == 0, result.output
    return target


@pytest.fixture(scope="module")
def spool_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool that holds the same minutes, as a collector and detectors would have left it."""
    path = tmp_path_factory.mktemp("spool") / "spool.sqlite"
    site = load_site(SITE)
    with Spool.open(path) as spool:
        replay_messages(playback_of(SITE.parent).messages, END_NS, site, spool, lambda count, at_ns: None)
    return path


def test_it_says_what_was_warned_of_in_time_and_what_was_missed(folder: Path) -> None:
    report = report_of(folder)
    assert report.shortages
    assert report.missed == []
    assert report.outcomes["warned in time"] >= 4
    assert report.lead_time_median_s is not None and report.lead_time_median_s > 60.0
    leads = [row.lead_time_s for row in report.alerts if row.outcome == "warned in time"]
    assert all(lead is not None and lead > 0 for lead in leads)


def test_every_alert_has_a_picture_and_the_page_needs_nothing_else(folder: Path) -> None:
    report, page = report_of(folder), (folder / "index.html").read_text()
    for row in report.alerts:
        assert (folder / row.picture).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert row.alert in page
    assert page.count("data:image/png;base64,") == len(report.alerts)
    assert "http" not in page


def test_a_spool_says_what_its_recording_says(folder: Path, spool_path: Path, tmp_path: Path) -> None:
    result = run(SITE, "--spool", spool_path, "--report", tmp_path)
    assert result.exit_code == 0, result.output
    again = report_of(tmp_path)
    assert [(row.alert, row.outcome) for row in again.alerts] == [
        (row.alert, row.outcome) for row in report_of(folder).alerts
    ]
    assert again.recorded is not None
    assert again.recorded["of these raised again"] == again.recorded["raised at the time"] == len(again.alerts)


def test_new_rules_stand_in_for_the_sites_own(spool_path: Path, tmp_path: Path) -> None:
    rules = tmp_path / "new.toml"
    rules.write_text('[[rule]]\nmethod = "shortage"\nmetric = "fill_level"\nname = "later"\nresponse_s = 1.0\n')
    result = run(SITE, "--spool", spool_path, "--rules", rules, "--report", tmp_path / "report")
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path / "report")
    assert {row.rule for row in report.alerts} <= {"later"}
    assert (report.lead_time_median_s or 0.0) < 60.0


def test_what_is_before_from_only_teaches(spool_path: Path) -> None:
    result = run(SITE, "--spool", spool_path, "--from", "2024-07-11T20:55:00Z", "--json")
    report = json.loads(result.stdout)
    assert report["alerts"]
    assert all(row["raised_at"] >= 1_720_731_300 for row in report["alerts"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--capture", "none.jsonl"), "name a recorded message file"),
        (("--truth", "none.json"), "name the truth.json"),
        (("--rules", "none.toml"), "name a file with [[rule]] sections"),
        (("--rules", str(SITE)), "is no rule; a file of new rules holds"),
        (("--capture", str(CAPTURE), "--to", "2020-01-01"), "holds no readings before --to"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_a_sentence(words: tuple[str, ...], told: str) -> None:
    result = CliRunner().invoke(app, ["backtest", str(SITE), *words])
    assert told in str(result.exception)


def test_a_stretch_that_ends_before_it_begins_is_refused() -> None:
    words = ["backtest", str(SITE), "--from", "2024-07-12", "--to", "2024-07-11"]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "is not before --to" in result.output


def alert(kind: str, at_s: float, *, until_s: float = 0.0, verdict: str = "", hidden: str = "") -> Alert:
    return Alert(
        key=f"{kind}:site/line",
        kind=kind,
        subject="site/line",
        shard="site/line",
        series="site/line/cell:level",
        severity=AlertLevel.WARNING,
        state=State.UNACKED,
        active_at_ns=T0_NS + int(at_s * NS_PER_S),
        fired_at_ns=T0_NS + int(at_s * NS_PER_S),
        resolved_at_ns=T0_NS + int(until_s * NS_PER_S) if until_s else 0,
        suppressed_by=hidden,
        verdict=verdict,
    )


def worth(alerts: list[Alert], tmp_path: Path, truth: Truth | None = None, recorded: list[Alert] = []) -> Any:  # noqa: B006
    with Spool.open(tmp_path / "empty.sqlite") as spool:
        return judged(alerts, spool, truth, recorded, T0_NS, T0_NS + 10_000 * NS_PER_S)


def truth_of(*stops: tuple[float, float]) -> Truth:
    spans = tuple(
        Stop("site", "line", T0_NS + int(a * NS_PER_S), T0_NS + int(b * NS_PER_S), "jam", False) for a, b in stops
    )
    return Truth(T0_NS, T0_NS + 10_000 * NS_PER_S, 1, spans, (), (), (), ())


def test_truth_tells_a_right_alert_from_a_false_one_and_what_was_missed(tmp_path: Path) -> None:
    found = worth([alert("ewma", 130, until_s=400), alert("cusum", 5000)], tmp_path, truth_of((100, 300), (2000, 2300)))
    assert [(row.outcome, row.delay_s) for row in found["alerts"]] == [("told", 30.0), ("false", None)]
    assert found["missed"] == ["site/line stopped (jam) for 300 s"]


def test_what_an_operator_said_has_the_last_word(tmp_path: Path) -> None:
    said = [alert("ewma", 100, until_s=200, verdict="false"), alert("cusum", 3000, until_s=3100, verdict="true")]
    found = worth([alert("ewma", 120, until_s=190)], tmp_path, truth_of((100, 300)), said)
    assert [row.outcome for row in found["alerts"]] == ["said false"]
    assert found["missed"] == [f"{said[1].alert_id}, which an operator had called true"]
    assert found["recorded"]["said false and raised again"] == 1


def test_what_nobody_knows_is_not_called_false(tmp_path: Path) -> None:
    found = worth([alert("ewma", 100), alert("ewma", 900, hidden="planned stop: break")], tmp_path)
    assert [row.outcome for row in found["alerts"]] == ["not known", "hidden"]


def test_alerts_are_shared_by_operators_and_hidden_ones_call_nobody() -> None:
    def row(at: float, outcome: str = "told") -> Judged:
        return Judged(alert="a", rule="r", severity="warning", raised_at=at, cleared_at=None, outcome=outcome)

    rows = [*(row(10.0 + i) for i in range(24)), row(700.0), row(710.0, "hidden")]
    load = load_on(rows, 2, 0, 3600 * NS_PER_S)
    assert (load.periods, load.worst, load.worst_at) == (6, 12.0, 0.0)
    assert load.mean == pytest.approx(25 / 6 / 2)
    assert load.flood_ratio == pytest.approx(1 / 6)


def test_a_picture_is_a_png_with_its_lines_and_numbers() -> None:
    canvas = Canvas(40, 20)
    canvas.line(np.array([0.0, 39.0, np.nan, 5.0]), np.array([10.0, 10.0, 1.0, 1.0]), (200, 0, 0))
    canvas.text(2, 2, "8", (0, 0, 0))
    body = canvas.png()
    assert body[12:16] == b"IHDR"
    assert (int.from_bytes(body[16:20]), int.from_bytes(body[20:24])) == (40, 20)
    at = body.index(b"IDAT")
    length = int.from_bytes(body[at - 4 : at])
    rows = np.frombuffer(zlib.decompress(body[at + 4 : at + 4 + length]), np.uint8).reshape(20, 121)[:, 1:]
    pixels = rows.reshape(20, 40, 3)
    assert (pixels[10, :39, 1] < 255).all()
    assert (pixels[2:12, 2:8] < 100).any()


def acted(spool: Spool, found: Alert, after_s: float, verdict: str) -> None:
    control = Control(Action.ACK, found.alert_id, "kim", found.fired_at_ns + int(after_s * NS_PER_S), verdict=verdict)
    said = event_output(apply_control(found, control))
    with spool.transaction():
        spool.log.say(found.shard, said.output_id, said.record)


def test_the_scorecard_counts_what_people_said(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    with Spool.open(path) as spool:
        raised = [alert("ewma", 100), alert("ewma", 2000), alert("stuck", 50, hidden="planned stop: break")]
        for one in raised:
            with spool.transaction():
                spool.log.say(one.shard, event_output(one).output_id, event_output(one).record)
        acted(spool, raised[0], 30.0, "false")
        acted(spool, raised[1], 90.0, "true")
        assert {one.verdict for one in alerts_in(spool)} == {"true", "false", ""}
    result = CliRunner().invoke(app, ["alerts", "scorecard", str(SITE), "--spool", str(path), "--json"])
    cards = {card["rule"]: card for card in json.loads(result.stdout)}
    assert cards["ewma"] == {
        "rule": "ewma", "raised": 2, "acknowledged": 2, "said_true": 1, "said_false": 1, "hidden": 0,
        "median_ack_s": 60.0,
    }  # fmt: skip
    assert (cards["stuck"]["raised"], cards["stuck"]["hidden"], cards["stuck"]["median_ack_s"]) == (0, 1, None)


def test_an_operator_can_say_that_an_alert_was_false(spool_path: Path) -> None:
    with Spool.open(spool_path) as spool:
        open_one = next(one for one in alerts_in(spool) if one.wants_attention)
    words = ["alerts", "ack", str(SITE), open_one.alert_id, "--who", "kim", "--spool", str(spool_path)]
    refused = CliRunner().invoke(app, [*words, "--verdict", "maybe"])
    assert "--help" in str(refused.exception)
    result = CliRunner().invoke(app, [*words, "--verdict", "false"], catch_exceptions=False)
    assert "said to be false" in result.output


def test_an_alert_is_explained_from_what_was_stored(spool_path: Path) -> None:
    with Spool.open(spool_path) as spool:
        one = next(one for one in alerts_in(spool) if one.kind == "shortage")
    words = ["explain", str(SITE), one.alert_id, "--spool", str(spool_path)]
    text = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "Method: shortage" in text
    assert "time_to_empty_s" in text
    assert "low " in text and "high " in text
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert found["rule"]["metric"] == "fill_level"
    assert {"at", "value", "low", "mid", "high", "score"} == set(found["band"][0])
    unknown = CliRunner().invoke(app, ["explain", str(SITE), "shortage:teach", "--spool", str(spool_path)])
    assert "did you mean shortage:teaching_factory" in str(unknown.exception)


def test_an_explanation_names_what_the_chain_lost_and_what_is_missing_nearby(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    raised = msgspec.structs.replace(
        alert("novelty", 100, until_s=400), evidence={"new_value_ratio": 0.25, "new_shape_ratio": 0.75}
    )
    loss = {"node": "plant", "material": "beads", "causes": [raised.key], "lost_per_d": 12.0}
    with Spool.open(path) as spool, spool.transaction():
        spool.log.say(raised.shard, event_output(raised).output_id, event_output(raised).record)
        for at_s in (200, 9000):
            record = Record(
                EXPOSURE.name, {}, {}, T0_NS + at_s * NS_PER_S, "plant|beads", {**loss, "lost_per_d": float(at_s)}
            )
            spool.log.say("*", f"exposure|{at_s}", record)
        for asset in ("site/line/cell", "site/other"):
            spool.ledger.add(Gap(asset, Cause.SEQ_GAP, T0_NS + 90 * NS_PER_S, T0_NS + 95 * NS_PER_S, 3))
    words = ["explain", str(SITE), raised.key, "--spool", str(path)]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert found["shares"] == {"new_shape": 0.75, "new_value": 0.25}
    assert [one["lost_per_d"] for one in found["exposures"]] == [200.0]
    assert [gap.partition(":")[0] for gap in found["gaps"]] == ["site/line/cell"]
    text = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "new_shape: 75%" in text
    assert "no longer in site.toml" in text
