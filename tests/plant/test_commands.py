"""A site at work through its commands, on a real Mosquitto: collect, detect, chain, replay, tail, alerts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from collector import schema
from collector.sources.recording import read_recording
from collector.spool.spool import Spool
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import CAPTURE, Site, ended, wait

pytestmark = pytest.mark.plant


def andon(*words: str | Path) -> str:
    """What a command says on stdout; it must succeed."""
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def alerts(site: Site) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(andon("alerts", "list", site.path, "--json"))
    return found


def test_an_alert_gets_an_owner_from_the_command_line(tmp_path: Path) -> None:
    first_hour = tmp_path / "first.jsonl"
    first_hour.write_text("".join(line + "\n" for line in CAPTURE.read_text().splitlines()[:600]))
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        site.subscribe()
        with ended(site.start("collect"), site.start("detect"), site.start("chain run")):
            andon("replay", site.path, first_hour)
            wait(lambda: site.loaded.spool_path.exists() and len(alerts(site)) >= 1, "no alert", 60.0)
            alert_id = alerts(site)[0]["alert"]
            assert alert_id.startswith("shortage:teaching_factory/bottling/blue:fill_level@")

            assert "ack by kim" in andon("alerts", "ack", site.path, alert_id, "--who", "kim", "--text", "on my way")
            wait(lambda: alerts(site)[0]["owner"] == "kim", "no owner", 30.0)
            assert alerts(site)[0]["state"] == "acknowledged"

            andon("alerts", "shelve", site.path, alert_id, "--who", "kim", "--minutes", "30")
            wait(lambda: alert_id not in {one["alert"] for one in alerts(site)}, "not shelved", 30.0)
            andon("alerts", "unshelve", site.path, alert_id, "--who", "kim")
            wait(lambda: alert_id in {one["alert"] for one in alerts(site)}, "still shelved", 30.0)
            andon("alerts", "comment", site.path, alert_id, "refilled at ten", "--who", "lee")

            def exposed() -> bool:
                with Spool.open(site.loaded.spool_path) as spool:
                    return any(one.detail["causes"] for one in spool.log.latest(schema.EXPOSURE.name))

            wait(exposed, "no exposure", 30.0)


def test_tail_shows_what_arrives_and_records_it(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.jsonl"
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        tail = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "tail", str(site.path), "--count", "30", "--record", str(recorded)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with ended(tail):
            while tail.poll() is None:  # until it is subscribed, nothing it could see is kept for it
                andon("replay", site.path, _some(tmp_path))
            assert tail.stdout is not None
            lines = tail.stdout.read().splitlines()
    assert len(lines) == 30
    assert any(re.search(r"red:fill_level = \d+\.\d+ g\b", line) for line in lines)
    again = list(read_recording(recorded))
    assert len(again) == 30
    known = {(message.topic, json.dumps(json.loads(message.payload))) for message in read_recording(CAPTURE)}
    assert {(message.topic, json.dumps(json.loads(message.payload))) for message in again} <= known
    assert not site.loaded.spool_path.exists()  # tail stores nothing


def _some(folder: Path) -> Path:
    some = folder / "some.jsonl"
    some.write_text("".join(line + "\n" for line in CAPTURE.read_text().splitlines()[:60]))
    return some
