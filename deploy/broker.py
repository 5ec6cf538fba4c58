"""The broker inside the demo and tests: `iotcore` (rumqttd in a child process), on 127.0.0.1, memory only.

Its sessions are gone with it, so it is never a plant's broker; use Mosquitto there (README).
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.errors import AndonError

# 4 segments of 10 MiB: with small ones messages were lost behind a reader that stalled.
_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 4
[v5.1]
name = "mqtt-5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
    [v5.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = 1048576
    max_inflight_count = 1000
    dynamic_filters = true
"""


class BrokerError(AndonError):
    """The demo's broker does not start; the sentence says why and what to do."""


@contextmanager
def demo_broker(folder: Path, port: int | None = None) -> Iterator[int]:
    """Runs a broker on `port` (a free one when None) while the context lasts; yields the port. Raises BrokerError."""
    from iotcore import Broker

    chosen = port or free_port()
    config = folder / "broker.toml"
    config.write_text(_CONFIG.format(port=chosen), encoding="utf-8")
    broker = Broker(config_path=str(config))
    try:
        with _deaf_to_ctrl_c():
            broker.start()
    except (OSError, RuntimeError) as error:
        raise BrokerError(f"the demo's broker cannot use port {chosen} ({error}); give another with --port") from error
    try:
        yield chosen
    finally:
        broker.stop()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """A child started meanwhile does not hear Ctrl-C, so that the broker outlives those who still talk to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
