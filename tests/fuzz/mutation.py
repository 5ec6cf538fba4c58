"""Payloads as broken devices, torn cables and strangers send them, made of good ones; one seed, the same payloads."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

MOST_BYTES = 1 << 16  # but for the few that are meant to be huge
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
_NUMBERS = (
    *(b"0", b"-0", b"-1", b"1e308", b"1e309", b"-1e400", b"1e-400", b"0.1e-5", b"NaN", b"Infinity", b"-Infinity"),
    *(b"2147483648", b"-2147483649", b"4294967296", b"9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551616", b"9" * 30, b"9" * 400, b"9" * 5_000, b"1_000", b"0x1F", b"1,5", b"true", b"null", b'""'),
    *(
        b"1720730488",
        b"1720730488000",
        b"1720730488000000000",
        b'"2024-07-11T20:41:28Z"',
        b'"9999-12-31T23:59:59+14:00"',
    ),
    *(b'"0001-01-01T00:00:00-14:00"', b'"1 2"', b"[]", b"{}", b"[1]", b'{"a": 1}', b'"\\ud800"', b'"\\u0000"'),
)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.5,
        -0.0,
        1e308,
        -1e308,
        5e-324,
        2**31,
        -(2**31) - 1,
        2**53 + 1,
        2**63,
        -(2**63) - 1,
    ),
    *(
        2**64,
        10**30,
        10**400,
        math.nan,
        math.inf,
        -math.inf,
        1720730488,
        1720730488000,
        1720730488.25,
        1720730488 * 10**9,
    ),
    *(
        "",
        "0",
        "1e999",
        "nan",
        "-inf",
        "1_000",
        "x" * 300,
        "\ud800",
        "\x00",
        "é☃",
        "2024-07-11T20:41:28Z",
        "2024-02-30T00:00",
    ),
    *(
        "0001-01-01T00:00:00-14:00",
        "9999-12-31T23:59:59+14:00",
        "a/b+#:",
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"a": {"b": 1}},
    ),
)
_NAMES = ("", "value", "v", "values", "time", "ts", "timestamp", "name", "n", "x" * 300, "a.b", "a/b", "\ud800", "é")
_JUNK = (
    *(b"\x00", b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\t"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b";", b"=", b" ", b"/", b"+", b"#", b"'", b"%s", b"{line}"),
    *(b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\x12\x00", b"\x0a\xff\xff\xff\xff\x07", "é\u202e☃".encode()),
)


class Mutator:
    """Mutates payloads; `seeds` are others of the kind, to splice with."""

    def __init__(self, seeds: Sequence[bytes], random: Random) -> None:
        self._seeds = seeds
        self._random = random
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flipped, self._flipped, self._cut, self._without, self._doubled, self._spliced, self._with_junk),
            *(self._with_another_number, self._with_another_number, self._with_another_number, self._swapped),
        )
        self._huge_ways = (self._deepened, self._stretched, self._with_a_long_text)

    def mutated(self, payload: bytes) -> bytes:
        """The payload after up to four things went wrong with it."""
        if payload[:1] == b"\x01" and self._random.random() < 0.7:
            return self._packed_again(payload)
        if payload[:1] in (b"{", b"[") and self._random.random() < 0.5:
            return self._rewritten(payload)
        if payload[:1] not in (b"{", b"[") and self._random.random() < 0.4:
            fields = _fields(payload)
            if fields:
                return self._with_other_fields(fields)
        return self._mutated(payload)

    def _mutated(self, payload: bytes) -> bytes:
        random = self._random
        for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
            payload = random.choice(self._ways)(payload)[:MOST_BYTES]
        return random.choice(self._huge_ways)(payload) if random.random() < 0.004 else payload

    def _packed_again(self, payload: bytes) -> bytes:
        """A compressed payload, mutated inside: else its checksum would be all that is ever tried."""
        try:
            inside = zlib.decompress(payload[1:])
        except zlib.error:
            return self._mutated(payload)
        return payload[:1] + zlib.compress(self._mutated(inside), 1)

    def _rewritten(self, payload: bytes) -> bytes:
        """A JSON payload that is JSON still, with other values at up to three places: else its syntax is all that is
        ever tried."""
        try:
            told = json.loads(payload)
        except (ValueError, RecursionError):
            return self._mutated(payload)
        for _ in range(self._random.choice((1, 1, 2, 3))):
            told = self._with_another_value(told)
        return json.dumps(told).encode()

    def _with_other_fields(self, fields: list[tuple[int, bytes]]) -> bytes:
        """A protobuf payload that is protobuf still: a field left out, repeated, moved, or other inside."""
        random = self._random
        at = random.randrange(len(fields))
        number, value = fields[at]
        way = random.choice(("without", "twice", "elsewhere", "inside", "inside", "inside"))
        if way == "inside":
            within = _fields(value) if number & 7 == 2 and random.random() < 0.8 else []
            fields[at] = number, self._with_other_fields(within) if within else self._other_value(number, value)
        elif way == "twice":
            fields.insert(at, fields[at])
        else:
            taken = fields.pop(at)
            if way == "elsewhere":
                fields.insert(random.randrange(len(fields) + 1), taken)
        return b"".join(_varint(key) + (_varint(len(own)) if key & 7 == 2 else b"") + own for key, own in fields)

    def _other_value(self, key: int, value: bytes) -> bytes:
        """Another value of the field's wire type."""
        if key & 7 == 0:
            return _varint(self._random.choice((0, 1, 7, 255, 256, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 1720730488000)))
        if key & 7 == 2:
            return self._mutated(value)
        return self._random.choice((b"\0" * 8, b"\xff" * 8, b"\0\0\xc0\x7f" * 2, b"\0\0\0\0\0\0\xf0\x7f"))[
            -len(value) :
        ]

    def _with_another_value(self, told: Any) -> Any:
        random = self._random
        if not told or not isinstance(told, dict | list) or random.random() < 0.2:
            within = ([told], {"value": told}, str(told), [told] * random.choice((2, 20)))
            return deepcopy(random.choice((*_VALUES, *within)))
        key = random.choice(list(told)) if isinstance(told, dict) else random.randrange(len(told))
        if random.random() < 0.15:
            told.pop(key)
        elif isinstance(told, dict) and random.random() < 0.15:
            told[random.choice(_NAMES)] = told[key]
        else:
            told[key] = self._with_another_value(told[key])
        return told

    def _at(self, payload: bytes) -> int:
        return self._random.randrange(len(payload) + 1)

    def _slice(self, payload: bytes) -> tuple[int, int]:
        begin = self._at(payload)
        return begin, min(len(payload), begin + self._random.choice((1, 2, 4, 8, 16, 64, 256)))

    def _flipped(self, payload: bytes) -> bytes:
        if not payload:
            return b"\xff"
        at = self._random.randrange(len(payload))
        return payload[:at] + bytes((payload[at] ^ 1 << self._random.randrange(8),)) + payload[at + 1 :]

    def _cut(self, payload: bytes) -> bytes:
        return payload[: self._at(payload)]

    def _without(self, payload: bytes) -> bytes:
        begin, end = self._slice(payload)
        return payload[:begin] + payload[end:]

    def _doubled(self, payload: bytes) -> bytes:
        begin, end = self._slice(payload)
        return payload[:end] + payload[begin:end] * self._random.choice((1, 1, 1, 3, 50)) + payload[end:]

    def _spliced(self, payload: bytes) -> bytes:
        other = self._random.choice(self._seeds)
        return payload[: self._at(payload)] + other[self._at(other) :]

    def _with_junk(self, payload: bytes) -> bytes:
        at = self._at(payload)
        return payload[:at] + self._random.choice(_JUNK) + payload[at + self._random.choice((0, 1)) :]

    def _with_another_number(self, payload: bytes) -> bytes:
        numbers = list(_NUMBER.finditer(payload))
        if not numbers:
            return self._flipped(payload)
        found = self._random.choice(numbers)
        return payload[: found.start()] + self._random.choice(_NUMBERS) + payload[found.end() :]

    def _swapped(self, payload: bytes) -> bytes:
        at, then = sorted((self._at(payload), self._at(payload)))
        return payload[then:] + payload[at:then] + payload[:at]

    def _deepened(self, payload: bytes) -> bytes:
        depth = self._random.choice((40, 70, 300, 900, 2_000, 100_000))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"\x12\x80\x04", b"")))
        return opening * depth + payload + closing * self._random.choice((0, depth))

    def _stretched(self, payload: bytes) -> bytes:
        begin, end = self._slice(payload)
        return payload[:end] + payload[begin:end] * (MOST_BYTES * 4 // max(1, end - begin)) + payload[end:]

    def _with_a_long_text(self, payload: bytes) -> bytes:
        at = payload.find(b'"', self._at(payload)) + 1
        return payload[:at] + b"x" * self._random.choice((300, 70_000)) + payload[at:]


def _fields(payload: bytes) -> list[tuple[int, bytes]]:
    """The fields of a protobuf message as key and value, in order; none where it is no protobuf."""
    found, at = [], 0
    while at < len(payload):
        key, at = _number_at(payload, at)
        end = at
        if key & 7 == 0:
            _, end = _number_at(payload, at)
        elif key & 7 == 2:
            length, at = _number_at(payload, at)
            end = at + length
        else:
            end = at + {1: 8, 5: 4}.get(key & 7, len(payload))
        if key < 8 or end > len(payload):
            return []
        found.append((key, payload[at:end]))
        at = end
    return found


def _number_at(payload: bytes, at: int) -> tuple[int, int]:
    """The varint at a place, and where it ends: past the payload's end where it is cut off."""
    number = shift = 0
    while at < len(payload) and shift < 70:
        number |= (payload[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if payload[at - 1] < 0x80:
            return number, at
    return 0, len(payload) + 1


def _varint(number: int) -> bytes:
    """The number in groups of seven bits, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))
