"""Every way to a real broker (Mosquitto): plain, TLS, mutual TLS, websockets, with accounts; and what is said at a
closed door."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from collector.config import BrokerSettings
from deploy.publisher import Publisher
from tests.collector.mqtt_sources import listening
from tests.plant.authority import Authority
from tests.plant.servers import free_port, mosquitto, need
from tests.plant.teaching_factory import wait

pytestmark = pytest.mark.plant

COUNT = 300


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    for name in ("broker", "collector"):
        authority.issue(name)
    return authority


def with_tls(authority: Authority, *, mutual: bool = False) -> list[str]:
    folder = authority.folder
    lines = [f"cafile {folder}/ca.pem", f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key"]
    return [*lines, "require_certificate true"] if mutual else lines


def passes(port: int, folder: Path, **settings: Any) -> None:
    """COUNT messages published over this way are received over it, once each and in order."""
    with listening(port, ["plant/#"], folder=folder, **settings) as heard:
        heard.counted("broker_subscriptions")
        way = BrokerSettings(port=port, **settings)
        publisher = Publisher(msgspec.structs.replace(way, receive_maximum=100), folder, "publisher")
        for i in range(COUNT):
            publisher.publish(f"plant/{i % 3}", b"%d" % i, Event())
        publisher.finish(Event())
        heard.until(lambda: len(heard.messages) >= COUNT, "not all came")
        assert [int(one.payload) for one in heard.messages] == list(range(COUNT))


TLS = {"tls": True, "ca_file": "ca.pem"}
MUTUAL = {**TLS, "cert_file": "collector.pem", "key_file": "collector.key"}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("way", "mutual"), [({}, None), (TLS, False), (MUTUAL, True)], ids=["tcp", "tls", "mutual tls"]
)
def test_messages_pass(
    authority: Authority, tmp_path: Path, way: dict[str, Any], mutual: bool | None, protocol: str
) -> None:
    more = with_tls(authority, mutual=mutual) if mutual is not None else []
    with mosquitto(tmp_path / "broker", more=more) as broker:
        passes(broker.port, authority.folder, protocol=protocol, **way)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("way", [{}, TLS], ids=["plain", "tls"])
def test_messages_pass_where_only_web_traffic_does(
    authority: Authority, tmp_path: Path, way: dict[str, Any], protocol: str
) -> None:
    port = free_port()  # Mosquitto 2.0.11 starts no websockets without another listener before
    more = [f"listener {port} 127.0.0.1", "protocol websockets", *(with_tls(authority) if way else [])]
    with mosquitto(tmp_path / "broker", more=more):
        passes(port, authority.folder, transport="websockets", path="/", protocol=protocol, **way)


def test_a_broker_whose_authority_is_not_ours_is_not_trusted(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Authority(tmp_path / "other")
    with (
        mosquitto(tmp_path / "broker", more=with_tls(authority)) as broker,
        listening(broker.port, folder=tmp_path / "other", **TLS) as heard,
    ):
        heard.counted("broker_unreachable")
    assert "certificate verify failed" in caplog.text
    assert "check [broker] host, port, tls" in caplog.text


def test_a_collector_without_its_certificate_is_told_so(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        mosquitto(tmp_path / "broker", more=with_tls(authority, mutual=True)) as broker,
        listening(broker.port, folder=authority.folder, **TLS) as heard,
    ):
        heard.counted("broker_unreachable")
    assert "broker.unreachable" in caplog.text


def test_plain_words_to_a_tls_port_are_told_so(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mosquitto(tmp_path / "broker", more=with_tls(authority)) as broker, listening(broker.port) as heard:
        heard.counted("broker_unreachable")
    assert "the connection ended before the broker answered" in caplog.text


@pytest.fixture
def account(tmp_path: Path) -> list[str]:
    """A broker with one user, `gateway`, who may read `plant/#`."""
    subprocess.run([str(need("mosquitto_passwd")), "-c", "-b", "users", "gateway", "right"], cwd=tmp_path, check=True)
    (tmp_path / "access").write_text("user gateway\ntopic readwrite plant/#\n")
    (tmp_path / "right").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong\n")
    return ["allow_anonymous false", f"password_file {tmp_path}/users", f"acl_file {tmp_path}/access"]


def test_the_right_password_opens(account: list[str], tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker", more=account) as broker:
        passes(broker.port, tmp_path, username="gateway", password_file="right")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password_is_told_with_its_remedy(
    account: list[str], tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    with mosquitto(tmp_path / "broker", more=account) as broker:
        settings = {"username": "gateway", "password_file": "wrong", "protocol": protocol}
        with caplog.at_level(logging.ERROR), listening(broker.port, folder=tmp_path, **settings) as heard:
            heard.counted("broker_refused", 2)
    assert caplog.text.count("reason='Not authorized'") == 1
    assert "correct [broker] username and password_file" in caplog.text


def test_a_password_that_was_mended_is_taken_without_a_restart(account: list[str], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    with mosquitto(tmp_path / "broker", more=account) as broker:
        settings = {"username": "gateway", "password_file": "password"}
        with listening(broker.port, ["plant/#"], folder=tmp_path, **settings) as heard:
            heard.counted("broker_refused")
            (tmp_path / "password").write_text("right")
            heard.counted("broker_subscriptions")
            wait(lambda: heard.counts["broker_connections"] == 1, "not connected", 10.0)
