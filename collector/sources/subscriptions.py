"""What one connection has asked its broker for, and what follows from the answer.

Our presence is said only once every filter that covers its topic is granted: edge nodes must not send to one who cannot
hear.
"""

from __future__ import annotations

from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.sources import drops
from collector.sources.session import Session
from collector.sources.voice import Voice


class Subscriptions:
    """Belongs to the thread of its connection."""

    def __init__(self, session: Session, voice: Voice) -> None:
        self._session = session
        self._voice = voice
        self._asked: dict[int, list[str]] = {}  # SUBSCRIBE packets without an answer: packet identifier -> filters

    def ask(self, client: paho.Client, filters: list[str], qos: int = 1) -> None:
        """Retained messages are asked for only where the subscription is new, else each reconnect would repeat them."""
        if not filters:
            return
        if self._session.protocol == "5":
            again = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if qos else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            _, mid = client.subscribe([(one, SubscribeOptions(qos=qos, retainHandling=again)) for one in filters])
        else:
            _, mid = client.subscribe([(one, qos) for one in filters])
        if mid is not None:
            self._asked[mid] = filters

    def answered(self, client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        """paho's callback of SUBACK."""
        filters = self._asked.pop(mid, [])
        if filters == [drops.TOPIC]:
            self._session.answered_drops(reasons[0].value if reasons else 0)
            return
        refused = self._session.subscribed(filters, [(reason.value, str(reason)) for reason in reasons])
        self._voice.come_in(client, refused)
        if self._session.watches_drops:
            self._session.asks_for_drops()
            self.ask(client, [drops.TOPIC], qos=0)
