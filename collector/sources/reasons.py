"""What a broker's reason code means for us, what to do about it, and how patient to be.

Codes are those of MQTT 5.0 (2.4); paho gives the return codes of MQTT 3.1.1 as the same. Input: the code of a CONNACK,
DISCONNECT or SUBACK. Output: the remedy that ends the log's sentence, and the pauses before the next try.
"""

from __future__ import annotations

from enum import IntEnum

from collector.sources.backoff import FAULT_TO_S, FROM_S, RIVAL_FROM_S, RIVAL_TO_S, TO_S


class Code(IntEnum):
    """The reason codes that are more than a line in the log."""

    GRANTED_QOS_0 = 0x00
    UNSPECIFIED = 0x80
    UNSUPPORTED_VERSION = 0x84
    KEEPALIVE = 0x8D
    TAKEN_OVER = 0x8E


_WAIT = "it is tried again"
_OURS = "tell the makers of this collector, with the broker's name and version"
_ACCESS = "correct [broker] username and password_file, or the broker's list of users"
_READ = "give this user the right to read it in the broker's access list"
_ELSEWHERE = "name the broker it points to in [broker] host and port"
_NO_SHARED = "remove shared_group from the [[subscribe]], or use a broker that has shared subscriptions"

_REMEDIES = {
    0x00: _WAIT,
    0x04: _WAIT,
    0x80: _WAIT
    + "; if it keeps ending soon, look into the broker's own log, and for another client with this client id",
    0x81: _OURS,
    0x82: _OURS,
    0x83: "look into the broker's own log",
    0x84: 'set [broker] protocol = "3.1.1", or update the broker',
    0x85: "give [broker] client_id another name: letters and digits, 23 at most, are always allowed",
    0x86: _ACCESS,
    0x87: _ACCESS + ", or give this user the rights it needs",
    0x88: _WAIT + "; if it lasts, look at the broker",
    0x89: _WAIT + "; if it lasts, the broker has too much to do",
    0x8A: "let the broker's administrator lift the ban on this client",
    0x8B: _WAIT + " when the broker is back",
    0x8C: _ACCESS,
    0x8D: "raise [broker] keepalive_s, or look for what holds up the network",
    0x8E: "another client uses this client id: give each collector its own [broker] client_id; this one holds back",
    0x8F: "correct the topic of the [[subscribe]]: the broker does not take this filter",
    0x91: _OURS,
    0x93: "the broker counts more messages under way than it sent: lower [broker] receive_maximum",
    0x94: _OURS,
    0x95: "raise the broker's limit for packets, or lower readings_per_message of the mqtt_forward sink",
    0x96: "raise the broker's limit of messages for this client",
    0x97: "raise the broker's quota for this client (connections, queued messages or bytes)",
    0x98: "ask the broker's administrator, who ended this connection",
    0x9B: "use a broker that has QoS 1: without it nothing is kept while this collector is away",
    0x9C: _ELSEWHERE,
    0x9D: _ELSEWHERE,
    0x9E: _NO_SHARED,
    0x9F: _WAIT + "; if it lasts, raise the broker's limit of connections per second",
    0xA0: _WAIT,
    0xA1: _OURS,
    0xA2: "name the topics of the [[subscribe]] one by one: this broker has no wildcards",
}
_ONLY_A_PERSON_HELPS = frozenset({0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x95, 0x9B, 0x9C, 0x9D})


def remedy(code: int) -> str:
    """What to do about it."""
    return _REMEDIES.get(code, _WAIT)


def subscription_remedy(code: int) -> str:
    """What to do about a refused subscription."""
    return _READ if code in (Code.UNSPECIFIED, 0x87) else remedy(code)


def pauses_s(code: int) -> tuple[float, float]:
    """The shortest and the longest pause before the next try."""
    if code == Code.TAKEN_OVER:
        return RIVAL_FROM_S, RIVAL_TO_S
    return FROM_S, FAULT_TO_S if code in _ONLY_A_PERSON_HELPS else TO_S
