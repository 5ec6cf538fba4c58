"""The tap notes what went over the wire, in whatever pieces it came; a host that may not speak is silent on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plant.servers import mosquitto, need
from tests.sparkplug_host.packets import Body, Cutter, Kind, Publication, read
from tests.sparkplug_host.recordings import hears_a_gap, record
from tests.sparkplug_host.stage import Setting
from tests.sparkplug_host.transcript import is_published

WILL = Publication("spBv1.0/STATE/h", b"{}", 1, True)
CONNECT_5 = (
    b"\x00\x04MQTT\x05\x2e\x00\x1e" + b"\x08\x11\x00\x00\x0e\x10\x21\x00\x14" + b"\x00\x01c"
    b"\x00" + b"\x00\x0fspBv1.0/STATE/h" + b"\x00\x02{}"
)
CONNECT_311 = b"\x00\x04MQTT\x04\x02\x00\x1e\x00\x01c"
PUBLISH_5 = b"\x00\x03a/b\x00\x07" + b"\x07\x26\x00\x01k\x00\x01v" + b"payload"
SUBSCRIBE_311 = b"\x00\x01" + b"\x00\x03a/#\x01" + b"\x00\x01b\x00"


@pytest.mark.parametrize(
    ("head", "data", "level", "meant"),
    [
        (0x10, CONNECT_5, 0, Body(Kind.CONNECT, "c", 5, True, 3600, WILL)),
        (0x10, CONNECT_311, 0, Body(Kind.CONNECT, "c", 4, True)),
        (0x33, PUBLISH_5, 5, Body(Kind.PUBLISH, published=Publication("a/b", b"payload", 1, True))),
        (0x30, b"\x00\x01ax", 4, Body(Kind.PUBLISH, published=Publication("a", b"x", 0, False))),
        (0x82, SUBSCRIBE_311, 4, Body(Kind.SUBSCRIBE, filters=("a/#", "b"))),
        (0x20, b"\x00\x05", 4, Body(Kind.CONNACK, code=5)),
        (0xE0, b"", 4, Body(Kind.DISCONNECT)),
        (0xC0, b"", 4, Body(Kind.OTHER)),
    ],
)
def test_a_packet_is_read_as_the_standard_has_it(head: int, data: bytes, level: int, meant: Body) -> None:
    assert read(head, data, level) == meant


@pytest.mark.parametrize("piece_bytes", [1, 2, 127, 1000])
def test_packets_are_cut_whole_from_whatever_pieces(piece_bytes: int) -> None:
    bodies = [b"", b"x", b"y" * 127, b"z" * 128, b"w" * 20_000]
    stream = b"".join(b"\x30" + length + body for length, body in zip(LENGTHS, bodies, strict=True))
    cutter = Cutter()
    pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
    assert [body for piece in pieces for _, body in cutter.feed(piece)] == bodies


LENGTHS = (b"\x00", b"\x01", b"\x7f", b"\x80\x01", b"\xa0\x9c\x01")


@pytest.mark.plant
def test_a_host_that_may_not_speak_says_nothing_at_all(tmp_path: Path) -> None:
    """Passive is how a [[subscribe]] begins: no will, no state, no request, whatever is missing."""
    need("mosquitto")
    with mosquitto(tmp_path / "broker") as broker:
        wire = record(tmp_path / "site", Setting("passive", speaks=False), [broker.port], hears_a_gap)
    (session,) = wire.sessions
    assert session.will is None
    assert not [one for one in session.packets if is_published(one, by="client")]
    assert [gap.missing for gap in wire.gaps if gap.missing] == [1]
