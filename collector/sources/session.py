"""What is known of our session with one broker, and what is said about it: no thread, no socket, no clock.

Input: what the broker answers. Output: what to ask next, gaps for the ledger, counters, and one line in the log per
change of state. It outlives the connections: an outage begins in one and ends in the next.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from collector.config import BrokerSettings
from collector.health.counters import Counters
from collector.sources import drops
from collector.sources.reasons import Code, remedy, subscription_remedy
from collector.spool.frames import EVERY_SHARD
from collector.spool.ledger import Cause, Gap
from collector.topics import SHARED, covers

log = logging.getLogger(__name__)

_UNANSWERED = 2  # connections without an answer, before another protocol is tried: some brokers hang up on MQTT 5
_CAME_LATER = "cut off from the broker; what it kept for us came afterwards"
_FORGOTTEN = "cut off from the broker, and it had forgotten our session: what was sent meanwhile is lost"
_NOT_KEPT = "cut off from the broker; session_expiry_s = 0 keeps nothing meanwhile"
_TOO_LARGE = "messages larger than [broker] max_packet_bytes were left out; raise it"


class Session:
    """`since_ns`: the last instant at which an earlier run of this collector is known to have received, 0: there was
    none. An outage then begins there."""

    def __init__(self, settings: BrokerSettings, filters: Sequence[str], counters: Counters, since_ns: int = 0) -> None:
        self.protocol = settings.protocol
        self.address = f"{settings.host}:{settings.port}"
        self.asset = f"broker {self.address}"
        self.code = 0  # why the last connection ended
        self.watches_drops = not any(one.startswith("$SYS/") for one in filters)
        self._settings = settings
        self._filters = filters
        self._counters = self.counters = counters
        self._lost_ns = since_ns
        self._said = ""
        self._is_up = False
        self._was_answered = False
        self._unanswered = 0  # connections in a row that ended without a CONNACK
        self._speaks_5 = False  # known to: a connection that ends early is then a matter of the network
        self._drops = drops.DropCount(self.asset)
        self._drops_asked = False

    # what the broker answers

    def begins(self) -> None:
        """A connection is being made."""
        self.code, self._was_answered, self._drops_asked = 0, False, False

    def unreachable(self, reason: str) -> None:
        self._counters.add("broker_unreachable")
        advice = "it is tried again; check [broker] host, port, tls and transport, and whether the broker runs"
        self._say(f"unreachable {reason}", logging.WARNING, "broker.unreachable", reason, advice)

    def accepted(self, *, is_present: bool, now_ns: int) -> Gap | None:
        """Connected. Returns the outage that ended with it."""
        self._was_answered = self._is_up = True
        self._unanswered = 0
        self._speaks_5 |= self.protocol == "5"
        self._counters.add("broker_connections")
        self._say("up", logging.INFO, "broker.connected", "connected", f"MQTT {self.protocol}")
        lost_ns, self._lost_ns = self._lost_ns, 0
        if not lost_ns:
            return None
        kept = self._settings.session_expiry_s > 0
        if kept and not is_present:
            self._counters.add("broker_sessions_forgotten")
            advice = "let the broker keep sessions on disk and long enough; see the ledger"
            log.warning("broker.forgot broker=%s; %s", self.address, advice)
        note = (_CAME_LATER if is_present else _FORGOTTEN) if kept else _NOT_KEPT
        concerns = "" if kept and is_present else EVERY_SHARD
        return Gap(self.asset, Cause.DISCONNECTED, lost_ns, max(lost_ns, now_ns), 0, note, concerns)

    def refused(self, code: int, name: str) -> None:
        """CONNACK with a failure. A broker that has no MQTT 5 is asked again in MQTT 3.1.1."""
        self.code, self._was_answered = code, True
        if code == Code.UNSUPPORTED_VERSION and self._other_protocol():
            return
        self._counters.add("broker_refused")
        self._say(f"refused {code}", logging.ERROR, "broker.refused", name, remedy(code))

    def ended(self, code: int, name: str, now_ns: int) -> None:
        """The connection ended, `now_ns` being when it last was heard of."""
        if self._is_up:
            self.code, self._is_up, self._lost_ns = code, False, now_ns
            self._counters.add("broker_disconnects")
            level = logging.WARNING
            if code == Code.TAKEN_OVER:
                self._counters.add("broker_taken_over")
                level = logging.ERROR
            if self._drops_asked and code == Code.UNSPECIFIED:  # its way to say no; it is not asked again
                level = logging.INFO
            self._say(f"lost {code}", level, "broker.lost", name, remedy(code))
            if self._drops_asked:
                self._stop_watching("the broker ended the connection when asked for it")
        elif not self._was_answered:
            self._unanswered += 1
            if not self._speaks_5 and self._unanswered % _UNANSWERED == 0:
                self._other_protocol()
            self.unreachable("the connection ended before the broker answered")

    def _other_protocol(self) -> bool:
        """Turns to the other version of MQTT for the next try; whether that is the older one."""
        if self._settings.protocol != "5":
            return False
        self.protocol = "3.1.1" if self.protocol == "5" else "5"
        if self.protocol == "5":
            return False
        log.info("broker.older broker=%s; it does not take MQTT 5, trying MQTT 3.1.1", self.address)
        return True

    @property
    def tries_older(self) -> bool:
        """The last refusal is answered by asking again at once."""
        return self.code == Code.UNSUPPORTED_VERSION and self.protocol != self._settings.protocol

    # subscriptions

    def filters(self, properties: Any) -> list[str]:
        """What to subscribe, given the properties of CONNACK: without shared ones where the broker has none."""
        shared = [one for one in self._filters if one.startswith(SHARED)]
        if shared and self.protocol != "5":
            log.warning(
                "subscription.unsure broker=%s; MQTT 3.1.1 does not tell whether shared_group works", self.address
            )
        if getattr(properties, "SharedSubscriptionAvailable", 1):
            return list(self._filters)
        for topic in shared:
            self._refuse(topic, "Shared subscription not supported", 0x9E)
        return [one for one in self._filters if one not in shared]

    def reads(self, topic: str) -> bool:
        """Whether this broker is asked for messages of such a topic."""
        return covers(self._filters, topic)

    def subscribed(self, filters: Sequence[str], reasons: Sequence[tuple[int, str]]) -> list[str]:
        """SUBACK: a code and its name for each filter. Returns the filters that are refused."""
        refused = [topic for topic, (code, _) in zip(filters, reasons, strict=False) if code >= Code.UNSPECIFIED]
        for topic, (code, name) in zip(filters, reasons, strict=False):
            if topic in refused:
                self._refuse(topic, name, code)
            elif code == Code.GRANTED_QOS_0:
                sentence = "subscription.at_qos_0 topic=%r; the broker gives no QoS 1: nothing is kept while cut off"
                log.warning(sentence, topic)
        if len(filters) == len(self._filters) and not refused:
            self._counters.add("broker_subscriptions")
        return refused

    def _refuse(self, topic: str, name: str, code: int) -> None:
        self._counters.add("subscription_refused")
        log.error("subscription.refused topic=%r reason=%r; %s", topic, name, subscription_remedy(code))

    # what the broker drops

    def asks_for_drops(self) -> None:
        self._drops_asked = True

    def answered_drops(self, code: int) -> None:
        self._drops_asked = False
        if code >= Code.UNSPECIFIED:
            self._stop_watching("this user may not read it")

    def drops(self, payload: bytes, now_ns: int) -> Gap | None:
        gap = self._drops.saw(payload, now_ns)
        if gap:
            self._counters.add("broker_dropped", gap.missing)
            log.warning("broker.dropped broker=%s messages=%d; %s", self.address, gap.missing, gap.note)
        return gap

    def too_large(self, topic: str, size_bytes: int, now_ns: int) -> Gap:
        self._counters.add("messages_too_large")
        most = self._settings.max_packet_bytes
        log.error("message.too_large topic=%r bytes=%d max_packet_bytes=%d; raise it", topic, size_bytes, most)
        return Gap(f"topic {topic}", Cause.NOT_RECEIVED, now_ns, now_ns, 1, _TOO_LARGE)

    def queue_is_full(self) -> None:
        """Nothing more is read until there is room."""
        self._counters.add("queue_full")

    def overruns(self, under_way: int) -> None:
        """The broker sends more ahead than we allowed; the bounded queue holds it off."""
        self._counters.add("broker_overruns")
        most = self._settings.receive_maximum
        log.warning("broker.overruns broker=%s under_way=%d receive_maximum=%d", self.address, under_way, most)

    def malformed(self, reason: str) -> None:
        self._counters.add("broker_malformed")
        log.error("broker.malformed broker=%s reason=%r; the connection is made anew", self.address, reason)

    def _stop_watching(self, why: str) -> None:
        self.watches_drops = False
        log.info("broker.drops_unknown broker=%s topic=%s; %s", self.address, drops.TOPIC, why)

    def _say(self, state: str, level: int, event: str, reason: str, advice: str) -> None:
        """One line per change of state."""
        if state != self._said:
            self._said = state
            log.log(level, "%s broker=%s reason=%r; %s", event, self.address, reason, advice)
