"""An edge node with one device, that does what a test tells it; over paho, so that its session is a real one.

Its device takes requests for its birth itself.
"""

from __future__ import annotations

import time
from threading import Event

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode

NODE_METRIC, DEVICE_METRIC = "Supply/Voltage", "Temperature"
_SLOW_MS = 30_000  # its clock is so far behind, so that its times and the host's can be told apart
_PATIENCE_S = 20.0


class EdgeNode:
    """Connected and subscribed to its commands when made; `asked` is set when one came, `device_asked` when one for the
    device did."""

    def __init__(self, port: int, group: str, name: str, device: str = "press") -> None:
        self._group, self._name, self._device = group, name, device
        self._bd_seq = self._seq = 0
        self._ready = Event()
        self.asked, self.device_asked = Event(), Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"{group}-{name}", reconnect_on_failure=False)
        self._client.will_set(self._topic("NDEATH"), encode(self._death()), 1)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(self._topic("NCMD"), 1), (self._topic("DCMD"), 1)]
        )
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda *heard: self._hear(heard[-1].topic)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(_PATIENCE_S), "the edge node did not get to its broker"

    def born(self) -> None:
        """NBIRTH and DBIRTH."""
        self._seq = 0
        own = (
            Metric(self._bd_seq, "bdSeq", None, _now_ms(), Datatype.INT64),
            Metric(False, "Node Control/Rebirth", None, _now_ms(), Datatype.BOOLEAN),
            Metric(24.0, NODE_METRIC, None, _now_ms(), Datatype.DOUBLE),
        )
        self._send("NBIRTH", self._next(own))
        self.device_born()

    def device_born(self) -> None:
        own = (
            Metric(False, "Device Control/Rebirth", None, _now_ms(), Datatype.BOOLEAN),
            Metric(20.0, DEVICE_METRIC, None, _now_ms(), Datatype.DOUBLE),
        )
        self._send("DBIRTH", self._next(own))

    def data(self, value: float) -> None:
        self._send("DDATA", self.prepared(value))

    def stranger(self) -> None:
        """Data under an alias that no birth declared."""
        self._send("DDATA", self._next((Metric(1.0, "", 77, _now_ms(), Datatype.DOUBLE),)))

    def prepared(self, value: float) -> Payload:
        """The next message's payload, for `late`."""
        return self._next((Metric(value, DEVICE_METRIC, None, _now_ms(), Datatype.DOUBLE),))

    def late(self, payload: Payload) -> None:
        """Sends what was `prepared` before."""
        self._send("DDATA", payload)

    def device_died(self) -> None:
        self._send("DDEATH", self._next(()))

    def end(self) -> None:
        """Ends its thread; its connection is cut, or is cut with that."""
        self._client.loop_stop()

    def _hear(self, topic: str) -> None:
        (self.asked if topic == self._topic("NCMD") else self.device_asked).set()

    def _next(self, metrics: tuple[Metric, ...]) -> Payload:
        payload = Payload(_now_ms(), self._seq, metrics)
        self._seq = (self._seq + 1) % 256
        return payload

    def _death(self) -> Payload:
        return Payload(_now_ms(), None, (Metric(self._bd_seq, "bdSeq", None, None, Datatype.INT64),))

    def _send(self, verb: str, payload: Payload) -> None:
        self._client.publish(self._topic(verb), encode(payload), 0).wait_for_publish(_PATIENCE_S)

    def _topic(self, verb: str) -> str:
        topic = f"spBv1.0/{self._group}/{verb}/{self._name}"
        return f"{topic}/{self._device}" if verb.startswith("D") else topic


def _now_ms() -> int:
    return time.time_ns() // 1_000_000 - _SLOW_MS
