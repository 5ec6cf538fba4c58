"""The scenarios, each recorded once, all of our own collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.sources.source import Saying
from deploy.bench.servers import mosquitto
from tests.sparkplug_host.edge_node import EdgeNode
from tests.sparkplug_host.stage import PATIENCE_S, SECOND, Setting, Stage
from tests.sparkplug_host.transcript import EDGE, HOST, Transcript


def recorded(folder: Path) -> dict[str, Transcript]:
    """Every scenario by its name. Raises NotMeasured where Mosquitto is not installed."""
    with mosquitto(folder / "first") as first, mosquitto(folder / "second") as second:
        one, two = [first.port], [first.port, second.port]
        return {
            setting.name: record(folder / setting.name, setting, ports, play)
            for setting, ports, play in (
                (Setting("mqtt_5"), one, _begins_and_ends),
                (Setting("mqtt_311", protocol="3.1.1"), one, _begins_and_ends),
                (Setting("cut_off"), one, _is_cut_off),
                (Setting("deaths"), one, _hears_of_deaths),
                (Setting("disorder"), one, _hears_in_disorder),
                (Setting("long_window", reorder_s=2.0), one, hears_a_gap),
                (Setting("two_servers"), two, _has_two_servers),
                (Setting("device_in_doubt", asks_devices=True), one, _doubts_a_device),
            )
        }


def record(folder: Path, setting: Setting, ports: Sequence[int], play: Callable[[Stage], None]) -> Transcript:
    with ExitStack() as stack:
        stage = Stage(folder, setting, ports, stack)
        play(stage)
        return stage.transcript()


def _begins_and_ends(stage: Stage) -> None:
    """And in between, somebody says that it is offline."""
    with stage.host():
        payload = b'{"online":false,"timestamp":%d}' % (time.time_ns() // 10**6)
        _say(stage.broker_port, Saying(f"spBv1.0/STATE/{stage.name}", payload, qos=1))
        stage.until(lambda: stage.births() >= 2, "it does not answer who denies it")


def _is_cut_off(stage: Stage) -> None:
    with stage.host():
        stage.taps[HOST].cut()
        stage.until(lambda: stage.births() >= 2, "it does not come back")


def _hears_of_deaths(stage: Stage) -> None:
    """A device dies and is born again, then its edge node is cut off, with the device."""
    with stage.host():
        edge = stage.edge()
        edge.born()
        edge.data(21.0)
        edge.device_died()
        stage.until_heard("DDEATH")
        edge.born()
        edge.data(22.0)
        stage.until_heard("DDATA", 2)
        stage.taps[EDGE].cut()
        stage.until_heard("NDEATH")
        edge.end()


def _hears_in_disorder(stage: Stage) -> None:
    """First a message comes late and in time; then one never comes."""
    with stage.host():
        edge = stage.edge()
        edge.born()
        late = edge.prepared(21.0)
        edge.data(22.0)
        edge.late(late)
        edge.data(23.0)
        time.sleep(3 * stage.setting.reorder_s)  # in which nothing may be asked for
        _lose_one(edge)
        stage.until_heard("DDATA", 5)
        edge.end()


def hears_a_gap(stage: Stage) -> None:
    """A host that may not speak lets it be."""
    with stage.host():
        edge = stage.edge()
        edge.born()
        _lose_one(edge, asks=stage.setting.speaks)
        stage.until_heard("DDATA", 2)
        edge.end()


def _lose_one(edge: EdgeNode, *, asks: bool = True) -> None:
    """Then the edge node is born again, as soon as it is asked to be."""
    edge.prepared(24.0)
    edge.data(25.0)
    assert edge.asked.wait(PATIENCE_S if asks else 2.0) is asks, "whether a birth is asked for"
    edge.born()
    edge.data(26.0)


def _has_two_servers(stage: Stage) -> None:
    with stage.host():
        stage.taps[SECOND].cut()
        stage.until(lambda: stage.births(SECOND) >= 2, "it does not come back to the second server")


def _doubts_a_device(stage: Stage) -> None:
    """It sends what its birth did not declare: it alone is asked to be born again, and its edge node is not."""
    with stage.host():
        edge = stage.edge()
        edge.born()
        edge.stranger()
        assert edge.device_asked.wait(PATIENCE_S), "the device is not asked for its birth"
        edge.device_born()
        edge.data(27.0)
        stage.until_heard("DDATA", 2)
        assert not edge.asked.is_set(), "its edge node is asked as well"
        edge.end()


def _say(port: int, one: Saying) -> None:
    """From a client of nobody's, past the taps."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "somebody")
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(one.topic, one.payload, one.qos, one.retain).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
