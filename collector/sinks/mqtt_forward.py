"""From a gateway to its site: bundles of readings over MQTT QoS 1, read there by the format `forwarded`.

Durable on return means that the site's broker has acknowledged every message and had a subscriber for it; the site's
collector keeps a persistent session, so from there the broker's queue holds them. A bundle says which offsets of the
gateway's log it holds, so the site drops repeats and books what a broker lost.

Readings go, with both clocks, quality and their series, and what the gateway knows to be missing. What detectors said
at the gateway stays there: the site runs its own over the same readings, and two of them would make two alerts of one
cause. The gateway's own counters (the line `_self`) arrive under the cell of its name, beside the site's own.
"""

from __future__ import annotations

import queue
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import paho.mqtt.client as paho

from collector.config import BrokerSettings, ConfigError, Name, Positive, Section
from collector.forwarding.bundle import bundles, pack
from collector.readings import Series
from collector.schema import SELF_LINE
from collector.sinks.sink import Parcel, SinkUnavailable
from collector.sources.client import client_for

_NO_SUBSCRIBER = 0x10
_REMEDIES = {
    0x10: 'nobody there reads it: start the site\'s collector with a [[subscribe]] of format "forwarded" on it',
    0x84: "set the broker up for MQTT 5 or 3.1.1",
    0x85: "give each gateway a `client_id` the broker allows",
    0x86: "correct `username` and what `password_file` holds",
    0x87: "give this user the right to connect and to publish there",
    0x8E: "give each gateway a `gateway` of its own: another client uses this client id",
    0x95: "raise the broker's packet limit or lower `readings_per_message`",
    0x97: "raise the broker's quota",
}


class Options(Section, frozen=True, kw_only=True):
    """`broker` is the site's, as in [broker]; its client id is completed to `CLIENT_ID-forward-GATEWAY`."""

    gateway: str = ""  # this machine's name
    topic: Name = "andon/forward"
    readings_per_message: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5_000
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    timeout_s: Positive = 20.0
    broker: BrokerSettings = BrokerSettings()


def build(options: Options, folder: Path) -> MqttForward:
    """Raises ConfigError: a name that fits no topic, a password or certificate that cannot be read."""
    gateway = options.gateway or socket.gethostname()
    for key, text, forbidden in (("gateway", gateway, "/+#\0"), ("topic", options.topic, "+#\0")):
        if not text or set(forbidden).intersection(text):
            raise ConfigError(f"`{key}`: {text!r} is empty or holds one of + # / or NUL: name it without them")
    client_for(options.broker, folder, options.broker.client_id)
    return MqttForward(options, gateway, folder)


class MqttForward:
    """A Sink. Connects at the first write, and anew when the connection has ended since the last; paho never does.

    Whatever went over a connection that ended before everything was acknowledged is sent again, and only then.
    """

    def __init__(self, options: Options, gateway: str, folder: Path) -> None:
        self._options = options
        self._gateway = gateway
        self._folder = folder
        self._link: Link | None = None

    def write(self, parcel: Parcel) -> None:
        """Publishes a parcel in order. Raises SinkUnavailable when any message was not acknowledged in time."""
        if not parcel.frames:
            return
        own = Parcel(parcel.frames, _Renamed(parcel.series, self._gateway), log=parcel.log, settled=parcel.settled)
        messages = (pack(bundle) for bundle in bundles(own, self._gateway, self._options.readings_per_message))
        try:
            link = self._standing_link()
            for message in messages:
                link.publish(message)
            link.settle()
        except SinkUnavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _standing_link(self) -> Link:
        if self._link is not None and self._link.has_ended():
            self.close()
        self._link = self._link or self._connect()
        return self._link

    def _connect(self) -> Link:
        o = self._options
        client_id = f"{o.broker.client_id}-forward-{self._gateway}"
        try:
            client = client_for(o.broker, self._folder, client_id, reconnects=False)
        except ConfigError as error:
            raise SinkUnavailable(str(error)) from error
        link = Link(client, o, f"{o.topic}/{self._gateway}")
        try:
            link.open()
        except SinkUnavailable:
            link.close()
            raise
        return link


class _Event(NamedTuple):
    """What paho's thread tells: `what` is "connected", "lost" or "acknowledged" (then `mid`)."""

    what: str
    code: int
    reason: str
    mid: int = 0


class Link:
    """One connection, with a client and a queue of its own: what an earlier one has still to tell reaches nobody.

    paho's thread puts what happens on the queue; the sink's thread publishes and takes it off.
    """

    def __init__(self, client: paho.Client, options: Options, topic: str) -> None:
        self._client = client
        self._options = options
        self._topic = topic
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._waiting: set[int] = set()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish

    def open(self) -> None:
        """Raises SinkUnavailable unless the broker takes us."""
        broker = self._options.broker
        try:
            self._client.connect(broker.host, broker.port, broker.keepalive_s)
        except (OSError, ValueError) as error:
            raise self._unavailable(f"does not answer ({error}): is it up, are `host` and `port` right?") from error
        self._client.loop_start()
        event = self._next()
        if event.what != "connected" or event.code:
            raise self._failed("refuses the connection", event)

    def has_ended(self) -> bool:
        """Whether it was lost since the last write, when nothing was on its way."""
        return not self._events.empty() or not self._client.is_connected()

    def publish(self, payload: bytes) -> None:
        """Sends one message; before that, waits for the oldest while as many as allowed are on their way."""
        while len(self._waiting) >= self._options.in_flight:
            self._await_one()
        sent = self._client.publish(self._topic, payload, qos=1)
        if sent.rc != paho.MQTT_ERR_SUCCESS:
            raise self._unavailable(f"was lost ({paho.error_string(sent.rc)}): all of it is sent again")
        self._waiting.add(sent.mid)

    def settle(self) -> None:
        """Returns once everything is acknowledged. Raises SinkUnavailable."""
        while self._waiting:
            self._await_one()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _await_one(self) -> None:
        event = self._next()
        if event.what != "acknowledged":
            raise self._failed("ended the connection", event)
        if event.code >= 0x80 or event.code == _NO_SUBSCRIBER:
            raise self._failed(f"does not take messages on {self._topic!r}", event)
        self._waiting.discard(event.mid)

    def _next(self) -> _Event:
        try:
            return self._events.get(timeout=self._options.timeout_s)
        except queue.Empty:
            sentence = f"has not acknowledged within {self._options.timeout_s:g} s: see its log, or raise `timeout_s`"
            raise self._unavailable(sentence) from None

    def _failed(self, what: str, event: _Event) -> SinkUnavailable:
        remedy = _REMEDIES.get(event.code, "see the broker's log")
        return self._unavailable(f"{what} ({event.reason}): {remedy}")

    def _unavailable(self, sentence: str) -> SinkUnavailable:
        return SinkUnavailable(f"broker {self._options.broker.host}:{self._options.broker.port} {sentence}")

    # paho's thread

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._events.put(_Event("connected", reason.value, str(reason)))

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._events.put(_Event("lost", reason.value, str(reason)))

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._events.put(_Event("acknowledged", reason.value, str(reason), mid))


class _Renamed(Mapping[int, Series]):
    """A catalogue in which the gateway's own counters belong to a cell of its name."""

    def __init__(self, series: Mapping[int, Series], gateway: str) -> None:
        self._series = series
        self._gateway = gateway

    def __getitem__(self, id_: int) -> Series:
        one = self._series[id_]
        if one.equipment.line != SELF_LINE:
            return one
        return msgspec.structs.replace(one, equipment=msgspec.structs.replace(one.equipment, cell=self._gateway))

    def __iter__(self) -> Any:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)
