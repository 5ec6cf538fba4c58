"""`andon replay` on a real Mosquitto that is killed midway: it comes to an end, and says why."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from collector.sources.mqtt import client_for
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import CAPTURE, Site, ended, wait

pytestmark = pytest.mark.plant


def test_sigterm_ends_a_replay_whose_broker_was_killed(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        heard: list[str] = []
        ear = client_for(site.loaded.broker, tmp_path, "ear")
        ear.on_connect = lambda *_: ear.subscribe("#", 1)
        ear.on_message = lambda _client, _data, message: heard.append(message.topic)
        subscribed: list[int] = []
        ear.on_subscribe = lambda *_: subscribed.append(1)
        ear.connect("127.0.0.1", broker.port)
        ear.loop_start()
        wait(lambda: bool(subscribed), "not subscribed", 10.0)
        command = [sys.executable, "-m", "deploy.cli", "replay", str(site.path), str(CAPTURE), "--speed", "2000"]
        replay = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with ended(replay):
            wait(lambda: len(heard) > 100 or replay.poll() is not None, "nothing is published", 30.0)
            broker.kill()
            ear.loop_stop()
            assert replay.poll() is None
            replay.send_signal(signal.SIGTERM)
            said, complained = replay.communicate(timeout=20)
    assert replay.returncode == 0
    assert "Traceback" not in complained
    published = int(said.removeprefix("published ").removesuffix(" messages\n"))
    assert 0 < published < 13_755
