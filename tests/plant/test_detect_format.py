"""`andon detect-format TOPIC` on a real Mosquitto: it listens, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from collector.config import BrokerSettings
from collector.sources.mqtt import client_for
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import wait

pytestmark = pytest.mark.plant


def test_a_topic_is_listened_to_and_its_rules_are_written(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        settings = BrokerSettings(port=broker.port)
        plant = client_for(settings, tmp_path, "plant")
        plant.connect("127.0.0.1", broker.port)
        plant.loop_start()
        command = [sys.executable, "-m", "deploy.cli", "detect-format", "acme/#", "--host", "127.0.0.1"]
        command += ["--port", str(broker.port), "--seconds", "3", "--json"]
        ear = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        made = 0

        def publish_until_it_ends() -> bool:
            nonlocal made
            made += 1
            for cell in ("press", "oven"):
                plant.publish(f"acme/works/m1/{cell}", json.dumps({"good": made, "temp_C": 20.5}), qos=1)
            return ear.poll() is not None

        wait(publish_until_it_ends, "it does not end", 40.0)
        said, complained = ear.communicate(timeout=10)
        plant.loop_stop()
    assert ear.returncode == 0, complained
    told = json.loads(said)
    assert {one["name"]: one["kind"] for one in told["trial"]["series"]} == {
        "works/m1/press:good": "counter",
        "works/m1/press:temp": "gauge",
        "works/m1/oven:good": "counter",
        "works/m1/oven:temp": "gauge",
    }


def test_a_silent_topic_is_said_to_be_silent(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        command = [sys.executable, "-m", "deploy.cli", "detect-format", "none/#", "--host", "127.0.0.1"]
        command += ["--port", str(broker.port), "--seconds", "0.5"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert "none/#: no message came within 0.5 s; listen longer with --seconds" in answer.stderr
    assert "Traceback" not in answer.stderr
