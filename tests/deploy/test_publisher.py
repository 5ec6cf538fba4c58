"""Publishing ends: with everything taken, when told to stop, or with a sentence that names the broker."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from collector.config import BrokerSettings
from collector.sources.recording import Published
from deploy.publisher import Pace, Publisher, PublishError, publish_all

CONNACK = b"\x20\x03\x00%c\x00"  # MQTT 5: no session present, the reason, no properties
ACCEPTED, NOT_AUTHORIZED = 0x00, 0x87
MESSAGES = [Published(i, "rig/a", b"{}") for i in range(3000)]  # three times what may be under way


@contextmanager
def mute_broker(reason: int) -> Iterator[BrokerSettings]:
    """Answers a connection with `reason` and then takes nothing, however much it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(CONNACK % reason)
                    while connection.recv(65536):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield BrokerSettings(port=listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def test_a_refusal_is_named_with_its_reason(tmp_path: Path) -> None:
    with mute_broker(NOT_AUTHORIZED) as broker:
        refused = rf"broker 127\.0\.0\.1:{broker.port} refuses the connection \(Not authorized\); check \[broker\] user"
        with pytest.raises(PublishError, match=refused):
            Publisher(broker, tmp_path, "plant")


def test_a_broker_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    with mute_broker(ACCEPTED) as broker:
        publisher = Publisher(broker, tmp_path, "plant", patience_s=0.3)
        with pytest.raises(PublishError, match=rf"127\.0\.0\.1:{broker.port} has taken 0 of 1000 messages and no more"):
            publish_all(MESSAGES, publisher, Pace(None, Event()), Event(), on_message=lambda _message: None)


def test_the_last_messages_are_given_up_too(tmp_path: Path) -> None:
    with mute_broker(ACCEPTED) as broker:
        publisher = Publisher(broker, tmp_path, "plant", patience_s=0.3)
        assert publisher.publish("rig/a", b"{}", Event())
        with pytest.raises(PublishError, match="has taken 0 of 1 messages and no more for 0 s; start it"):
            publisher.finish(Event())


def test_stop_ends_a_publisher_that_waits(tmp_path: Path) -> None:
    with mute_broker(ACCEPTED) as broker:
        publisher, stop = Publisher(broker, tmp_path, "plant"), Event()

        def stop_when_it_waits(message: Published) -> None:
            if message is MESSAGES[999]:  # the last that may be under way
                threading.Timer(0.3, stop.set).start()

        publish_all(MESSAGES, publisher, Pace(None, stop), stop, on_message=stop_when_it_waits)
        stopped = time.monotonic()
        publisher.finish(stop)
        assert stop.is_set()
        assert publisher.published == 1000
        assert time.monotonic() - stopped < 10.0
