"""A short-lived token that lets whoever holds it acknowledge under one name: signed here, handed on by Grafana.

Pure: time is an argument. A token says who and until when, and carries an HMAC-SHA256 of both; nothing is stored, and
with another key every token given out ends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from collector.errors import AndonError

SHORTEST_KEY = 32  # bytes, the length of what SHA-256 gives


class BadToken(AndonError):
    """The token is not one of ours, or its time is over; the sentence says what to do."""


class _Says(msgspec.Struct, frozen=True, array_like=True):
    who: str
    until_s: int


def signed(who: str, until_s: int, key: bytes) -> str:
    """A token for `who` that ends at `until_s` (UTC seconds). Letters that an address may hold as they are."""
    says = msgspec.json.encode(_Says(who, until_s))
    return f"{_text(says)}.{_text(_mac(says, key))}"


def who_says(token: str, now_s: float, key: bytes) -> str:
    """In whose name the token speaks. Raises BadToken."""
    says, _, mac = token.partition(".")
    try:
        body, given = _bytes(says), _bytes(mac)
    except (binascii.Error, ValueError) as error:
        raise BadToken("this is no token of the board; open Grafana from the board again") from error
    if not hmac.compare_digest(given, _mac(body, key)):
        raise BadToken("this is no token of the board; open Grafana from the board again")
    said = msgspec.json.decode(body, type=_Says)
    if now_s >= said.until_s:
        raise BadToken("the token's time is over; open Grafana from the board again")
    return said.who


def _mac(says: bytes, key: bytes) -> bytes:
    return hmac.new(key, says, hashlib.sha256).digest()


def _text(some: bytes) -> str:
    return base64.urlsafe_b64encode(some).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
