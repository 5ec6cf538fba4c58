"""Listens to a broker for a while and keeps what comes: read-only, at QoS 0, in a session that ends with it.

Whoever listens so takes no messages from a collector and leaves nothing behind at the broker.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from collector.config import BrokerSettings
from collector.errors import AndonError
from collector.sources.mqtt import client_for
from collector.sources.source import Message
from collector.topics import SHARED, TopicTemplate
from deploy.samples import MOST_BYTES, MOST_MESSAGES

_ANSWER_S = 10.0
_LOOK_EVERY_S = 0.2


class ListenError(AndonError):
    """The broker cannot be listened to; the sentence names it and the remedy."""


def listen(broker: BrokerSettings, folder: Path, topic: str, seconds: float, stop: Event) -> list[Message]:
    """The messages of `seconds`, fewer when stopped or when there are 100,000 or 256 MB. Raises AndonError."""
    ear = _Ear(broker, folder, _filter(topic))
    try:
        return ear.heard(seconds, stop)
    finally:
        ear.close()


def _filter(topic: str) -> str:
    """The filter to subscribe. Raises ListenError for what is none, and for a share of others' messages."""
    if topic.startswith(SHARED):
        raise ListenError(f"{topic}: a shared subscription would take messages from others; name the topic alone")
    try:
        return TopicTemplate(topic).filter
    except ValueError as error:
        raise ListenError(f"{error}; name an MQTT topic filter, such as plant/#") from error


class _Ear:
    """One connection; paho's thread puts what arrives on a bounded queue."""

    def __init__(self, broker: BrokerSettings, folder: Path, topic: str) -> None:
        self._address = f"{broker.host}:{broker.port}"
        self._topic = topic
        self._arrived: Queue[Message] = Queue(MOST_MESSAGES)
        self._answered = Event()
        self._refused = ""
        self._client = client_for(broker, folder, f"{broker.client_id}-listen-{os.getpid()}", reconnects=False)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        try:
            self._client.connect(broker.host, broker.port, broker.keepalive_s)
        except OSError as error:
            raise ListenError(f"broker {self._address}: {error}; start it, or correct host and port") from error
        self._client.loop_start()

    def heard(self, seconds: float, stop: Event) -> list[Message]:
        if not self._answered.wait(_ANSWER_S):
            raise ListenError(f"broker {self._address} did not answer within {_ANSWER_S:.0f} s; check host and port")
        if self._refused:
            raise ListenError(
                f"broker {self._address} refuses ({self._refused}); check login, and its rules for topics"
            )
        found: list[Message] = []
        size, ends_s = 0, time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0 and not stop.is_set():
            try:
                message = self._arrived.get(timeout=min(left_s, _LOOK_EVERY_S))
            except Empty:
                continue
            size += len(message.payload)
            if len(found) >= MOST_MESSAGES or size > MOST_BYTES:
                break
            found.append(message)
        return found

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # paho's thread

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self._refuse(reason)
        else:
            client.subscribe(self._topic, qos=0)

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._refuse(reason)
        self._answered.set()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            self._arrived.put_nowait(Message(message.topic, bytes(message.payload), time.time_ns()))
        except Full:
            self._client.disconnect()  # more than a sample needs

    def _refuse(self, reason: ReasonCode) -> None:
        self._refused = str(reason)
        self._answered.set()
