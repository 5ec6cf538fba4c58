"""Messages from an MQTT broker (paho-mqtt, MQTT 5), acknowledged only by whoever holds the delivery.

paho's thread puts what arrives on a bounded queue and blocks when it is full: that, with receive maximum, is the
back-pressure. A persistent session under a fixed client id keeps what was not acknowledged; after a reconnect the
broker sends it again, so acknowledgements of an earlier connection are void and dropped.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.clock import Clock
from collector.config import BrokerSettings, ConfigError
from collector.health import Counters
from collector.sources.source import Delivery, Message
from collector.spool.ledger import Cause, Gap

log = logging.getLogger(__name__)

_QUEUE_MESSAGES = 5000
_COALESCE_S = 0.005
_BACKLOG_S = 2.0  # after connecting, before an empty queue means that the broker kept no more
_RECONNECT_FROM_S, _RECONNECT_TO_S = 1, 30


class _Arrived(NamedTuple):
    message: Message
    mid: int
    qos: int
    connection: int


class MqttSource:
    """A Source over one broker connection that comes back by itself."""

    def __init__(
        self, settings: BrokerSettings, filters: Sequence[str], folder: Path, clock: Clock, counters: Counters
    ) -> None:
        self._settings = settings
        self._filters = filters
        self._clock = clock
        self._counters = counters
        self._arrived: queue.Queue[_Arrived] = queue.Queue(_QUEUE_MESSAGES)
        self._connection = 0
        self._up_since_s: float | None = None  # monotonic; None while there is no connection
        self._outages: queue.Queue[tuple[int, int]] = queue.Queue()
        self._lost_ns = 0
        self._closing = False
        self._client = client_for(settings, folder, settings.client_id)
        self._client.manual_ack_set(True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_message = self._on_message
        self._client.connect_async(
            settings.host,
            settings.port,
            settings.keepalive_s,
            clean_start=False,
            properties=_session_properties(settings),
        )
        self._client.loop_start()

    def receive(self, limit: int, wait_s: float) -> Delivery:
        """Waits for a first message, then takes what follows closely, so that one disk sync serves many."""
        taken: list[_Arrived] = []
        wait = wait_s
        while len(taken) < limit:
            try:
                taken.append(self._arrived.get(timeout=wait) if wait else self._arrived.get_nowait())
            except queue.Empty:
                if not wait or wait == _COALESCE_S or not taken:
                    break
            wait = _COALESCE_S if self._arrived.empty() else 0
        self._counters.add("messages_received", len(taken))
        full = min(limit, self._settings.receive_maximum)  # more is sent only after these are acknowledged
        is_settled = self._is_settled(ran_dry=len(taken) < full and self._arrived.empty())
        messages = [one.message for one in taken]
        return Delivery(messages, lambda: self._acknowledge(taken), self._outages_ended(), is_settled)

    def close(self) -> None:
        """Ends the connection; the session stays with the broker."""
        self._closing = True
        self._client.disconnect()
        self._drop_queue()
        self._client.loop_stop()

    def _acknowledge(self, taken: Sequence[_Arrived]) -> None:
        for one in taken:
            if one.qos and one.connection == self._connection:
                self._client.ack(one.mid, one.qos)

    def _drop_queue(self) -> None:
        """Frees a paho thread that waits on a full queue."""
        while True:
            try:
                self._arrived.get_nowait()
            except queue.Empty:
                return

    def _outages_ended(self) -> list[Gap]:
        """The times without a broker that ended since the last call."""
        note = "cut off from the broker; what it kept for us came afterwards"
        ended = []
        while not self._outages.empty():
            from_ns, to_ns = self._outages.get_nowait()
            ended.append(Gap(f"broker {self._address}", Cause.DISCONNECTED, from_ns, to_ns, 0, note))
        return ended

    def _is_settled(self, *, ran_dry: bool) -> bool:
        """Whether the broker has sent what it kept: connected for a while, and nothing is waiting now."""
        since_s = self._up_since_s
        self._counters.set("broker_connected", int(since_s is not None))
        return since_s is not None and ran_dry and time.monotonic() - since_s > _BACKLOG_S

    # paho's thread

    def _on_message(self, _client: paho.Client, _data: Any, got: paho.MQTTMessage) -> None:
        message = Message(got.topic, bytes(got.payload), self._clock.now_ns())
        arrived = _Arrived(message, got.mid, got.qos, self._connection)
        while not self._closing:
            try:
                self._arrived.put(arrived, timeout=0.5)
                return
            except queue.Full:
                self._counters.add("queue_full")

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self._counters.add("broker_refused")
            log.error("broker.refused broker=%s reason=%r; correct [broker]", self._address, str(reason))
            return
        self._connection += 1
        if self._lost_ns:
            self._outages.put((self._lost_ns, self._clock.now_ns()))
        self._up_since_s = time.monotonic()
        log.info("broker.connected broker=%s", self._address)
        self._counters.add("broker_connections")
        only_new = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        client.subscribe([(one, only_new) for one in self._filters])

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _props: Any
    ) -> None:
        for topic, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                self._counters.add("subscription_refused")
                sentence = "subscription.refused topic=%r reason=%r; give this user the right to read it"
                log.error(sentence, topic, str(reason))
        if not any(reason.is_failure for reason in reasons):
            self._counters.add("broker_subscriptions")

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self._connection += 1  # what waits for an acknowledgement now comes again
        if self._up_since_s is not None and not self._closing:
            self._lost_ns = self._clock.now_ns()
            self._counters.add("broker_disconnects")
            log.warning("broker.lost broker=%s reason=%r; trying again", self._address, str(reason))
        self._up_since_s = None

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        if not self._counters.counts.get("broker_unreachable"):
            log.warning("broker.unreachable broker=%s; trying again, check [broker] host and port", self._address)
        self._counters.add("broker_unreachable")

    @property
    def _address(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"


def client_for(settings: BrokerSettings, folder: Path, client_id: str) -> paho.Client:
    """A paho client (MQTT 5) with the site's credentials and TLS; not connected. Raises ConfigError."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(settings.receive_maximum)
    client.max_queued_messages_set(0)
    client.on_socket_open = _send_at_once
    client.reconnect_delay_set(_RECONNECT_FROM_S, _RECONNECT_TO_S)
    if settings.username:
        client.username_pw_set(settings.username, _password(settings, folder))
    if settings.tls:
        client.tls_set_context(_tls_context(settings, folder))
    return client


def _send_at_once(_client: paho.Client, _data: Any, connection: Any) -> None:
    """Without this, small acknowledgements wait for each other (Nagle)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _session_properties(settings: BrokerSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = settings.receive_maximum
    return properties


def _password(settings: BrokerSettings, folder: Path) -> str | None:
    if not settings.password_file:
        return None
    path = folder / settings.password_file
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"`broker.password_file` {path}: {error.strerror}; put the password there") from error


def _tls_context(settings: BrokerSettings, folder: Path) -> ssl.SSLContext:
    ca_file = str(folder / settings.ca_file) if settings.ca_file else None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"`broker.ca_file` {ca_file}: {error}; name a PEM file of the broker's CA") from error
