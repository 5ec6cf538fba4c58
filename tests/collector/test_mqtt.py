"""What the MQTT source says when a broker refuses: the broker here is a socket that answers by the book (MQTT 5)."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.clock import WallClock
from collector.config import BrokerSettings
from collector.health import Counters
from collector.sources.mqtt import MqttSource

CONNECTED = b"\x20\x03\x00\x00\x00"
NOT_AUTHORIZED = 0x87
CONNECTION_REFUSED = b"\x20\x03\x00\x87\x00"


@contextmanager
def broker(connack: bytes, suback: int = 0) -> Iterator[int]:
    """Answers each CONNECT with `connack` and each SUBSCRIBE with the reason code `suback`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(connack)
                    subscribe = client.recv(4096)
                    if subscribe:
                        client.sendall(b"\x90\x04" + subscribe[2:4] + b"\x00" + bytes([suback]))
                        client.recv(4096)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def counted(port: int, name: str) -> Counters:
    """The counters of a source once it has counted `name`."""
    counters = Counters()
    source = MqttSource(BrokerSettings(port=port), ["plant/+"], Path(), WallClock(), counters)
    deadline = time.monotonic() + 20.0
    while name not in counters.counts and time.monotonic() < deadline:
        time.sleep(0.02)
    source.close()
    return counters


def test_a_refused_subscription_is_named_with_topic_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), broker(CONNECTED, NOT_AUTHORIZED) as port:
        counters = counted(port, "subscription_refused")
    assert "broker_subscriptions" not in counters.counts
    assert "subscription.refused topic='plant/+' reason='Not authorized'" in caplog.text
    assert "give this user the right to read it" in caplog.text


def test_a_granted_subscription_is_counted() -> None:
    with broker(CONNECTED, 1) as port:
        assert counted(port, "broker_subscriptions").counts["broker_subscriptions"] == 1


def test_a_refused_connection_is_named_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), broker(CONNECTION_REFUSED) as port:
        counters = counted(port, "broker_refused")
    assert f"broker.refused broker=127.0.0.1:{port} reason='Not authorized'; correct [broker]" in caplog.text
    assert "broker_connections" not in counters.counts
