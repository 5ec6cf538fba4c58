"""The rows on one page of an SQLite file, read without SQLite: for files whose structure can no longer be trusted.

Takes what is there: a cell that makes no sense is passed over, and cells are also looked for where a damaged header
does not count them. Whether a row is what was written is for its seal to say (`collector.spool.tables`).
Source: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages) and 2.1 (records).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from collector.spool.connection import PAGE_BYTES

LEAF_TABLE, LEAF_INDEX, INNER_INDEX = 0x0D, 0x0A, 0x02
_HEADER_BYTES = {LEAF_TABLE: 8, LEAF_INDEX: 8, INNER_INDEX: 12}
_FILE_HEADER_BYTES = 100  # before the b-tree of page 1
_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)  # bytes of a column by its serial type; from 12 on they are counted
_MOST_BYTES = 1 << 30
_PAGE = struct.Struct(">BHHHB")
_POINTER = struct.Struct(">H")


class Cell(NamedTuple):
    """A row as far as its page holds it: `size` bytes in all, continued on page `overflow` where that is not 0."""

    rowid: int
    size: int
    local: bytes
    overflow: int


def cells(page: bytes, number: int) -> Iterator[Cell]:
    """Every cell with a payload that may be on a page, of whatever kind the page claims to be, or may have been."""
    begin = _FILE_HEADER_BYTES if number == 1 else 0
    kind, _, count, content, _ = _PAGE.unpack_from(page, begin)
    for one in (kind,) if kind in _HEADER_BYTES else _HEADER_BYTES:
        if one == kind or _could_be(page, begin + _HEADER_BYTES[one], count):
            yield from _cells(page, begin, one, count, content)


def overflow(page: bytes) -> tuple[int, bytes]:
    """The number of the page after an overflow page, and what this one holds."""
    return int.from_bytes(page[:4], "big"), page[4:]


def columns(payload: bytes) -> tuple[Any, ...]:
    """A record's columns, as many as the payload holds whole. Raises ValueError where it is no record."""
    codes, at = _codes(payload)
    found, size = [], len(payload)
    for code in codes:
        width = _WIDTHS[code] if code < 12 else (code - 12) >> 1
        if at + width > size:
            break
        found.append(_value(code, payload[at : at + width]))
        at += width
    return tuple(found)


def last_column(payload: bytes) -> bytes:
    """The last column of a whole record, a blob. Raises ValueError where it is none."""
    codes, at = _codes(payload)
    if not codes or codes[-1] < 12 or codes[-1] % 2:
        raise ValueError("the record ends otherwise")
    begin = at + sum(_WIDTHS[code] if code < 12 else (code - 12) >> 1 for code in codes[:-1])
    if begin + (codes[-1] - 12) // 2 != len(payload):
        raise ValueError("the record is cut short")
    return payload[begin:]


def _codes(payload: bytes) -> tuple[list[int], int]:
    """The serial types of a record's columns, and where the first column begins."""
    header_bytes, at = _varint(payload, 0)
    if not 0 < header_bytes <= len(payload):
        raise ValueError("no record")
    codes = []
    while at < header_bytes:
        code = payload[at]  # most are of one byte
        if code < 0x80:
            at += 1
        else:
            code, at = _varint(payload, at)
        if code < 0 or code in (10, 11):
            raise ValueError(f"no such type: {code}")
        codes.append(code)
    return codes, header_bytes


def _cells(page: bytes, begin: int, kind: int, count: int, content: int) -> Iterator[Cell]:
    header = begin + _HEADER_BYTES[kind]
    room = (min(content or PAGE_BYTES, PAGE_BYTES) - header) // 2  # pointers there may be, whatever `count` says
    most = min(max(count, room, 0), (PAGE_BYTES - header) // 2)
    for i, (at,) in enumerate(_POINTER.iter_unpack(page[header : header + 2 * most])):
        if at == 0 and i >= count:
            return
        if header < at < PAGE_BYTES - 2:
            cell = _cell(page, at, kind)
            if cell is not None:
                yield cell


def _cell(page: bytes, at: int, kind: int) -> Cell | None:
    rowid = 0
    try:
        if kind == INNER_INDEX:
            at += 4
        size, at = _varint(page, at)
        if kind == LEAF_TABLE:
            rowid, at = _varint(page, at)
    except ValueError:
        return None
    local = _local_bytes(size, kind)
    end = at + local
    if not 0 < size < _MOST_BYTES or end > PAGE_BYTES:
        return None
    return Cell(rowid, size, page[at:end], int.from_bytes(page[end : end + 4], "big") if local < size else 0)


def _local_bytes(size: int, kind: int) -> int:
    """How much of a payload stays on its page."""
    most = PAGE_BYTES - 35 if kind == LEAF_TABLE else (PAGE_BYTES - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    wanted = least + (size - least) % (PAGE_BYTES - 4)
    return wanted if wanted <= most else least


def _could_be(page: bytes, header: int, count: int) -> bool:
    """Whether a page of unknown kind has the pointers of a b-tree page behind a header that ends there."""
    if not 0 < count < 500:
        return False
    pointers = struct.unpack_from(f">{count}H", page, header)
    return all(header + 2 * count <= at < PAGE_BYTES for at in pointers)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A signed 64-bit number in one to nine bytes, and where the next begins."""
    value = 0
    for i in range(8):
        if at + i >= len(raw):
            raise ValueError("cut short")
        byte = raw[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    if at + 8 >= len(raw):
        raise ValueError("cut short")
    value = value << 8 | raw[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9


def _value(code: int, raw: bytes) -> Any:
    if code == 0:
        return None
    if code in (8, 9):
        return code - 8
    if code < 7:
        return int.from_bytes(raw, "big", signed=True)
    if code == 7:
        return struct.unpack(">d", raw)[0]
    return raw if code % 2 == 0 else raw.decode("utf-8")
