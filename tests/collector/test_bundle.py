"""Readings leave a log and come back as they were; what is no bundle, or no longer whole, is told as such."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.forwarding.bundle import MOST_BYTES, VERSION, BadBundle, bundles, pack, unpack
from collector.forwarding.coverage import Coverage
from collector.readings import Equipment, Series
from collector.sinks.sink import Parcel
from collector.spool.frames import Frame, batch_frame, tick_frame
from tests.collector.batches import Row, batch, rows, rows_of
from tests.collector.parcels import frame, parcel

LOT = {id_: Series(Equipment("e", "s"), f"m{id_}") for id_ in range(4)}


class Any4(dict[int, Series]):
    """A catalogue that knows every id."""

    def __missing__(self, id_: int) -> Series:
        return LOT[id_ % 4]


@given(rows(min_size=1))
def test_any_batch_comes_back_as_it_was(added: list[Row]):
    (sent,) = bundles(Parcel([batch_frame("s", batch(*added))._replace(offset=7)], Any4(), log="x", settled=3), "g", 10)
    got = unpack(pack(sent))
    assert (got.origin, got.log, got.after, got.through, got.settled) == ("g", "x", 6, 7, 3)
    back = [(got.series[number], *rest) for number, *rest in rows_of(got.batch)]
    assert back == [(Any4()[id_], *rest) for id_, *rest in added]


def cut(frames: list[Frame], most_readings: int) -> list[tuple[int, int, list[int]]]:
    made = bundles(parcel(frames), "g", most_readings)
    return [(one.after, one.through, [entry.offset for entry in one.entries]) for one in made]


def test_bundles_cover_every_offset_of_a_parcel_once():
    tick = tick_frame(1)
    frames = [tick._replace(offset=4), frame(5), frame(6), tick._replace(offset=7), frame(8), tick._replace(offset=9)]
    assert cut(frames, 4) == [(3, 7, [5, 6]), (7, 9, [8])]
    assert cut(frames, 1) == [(3, 5, [5]), (5, 7, [6]), (7, 9, [8])]
    assert cut(frames[:1], 1) == [(3, 4, [])]


def test_what_was_evicted_between_two_frames_is_not_covered():
    assert cut([frame(1), frame(2), frame(9), frame(10)], 1_000) == [(0, 2, [1, 2]), (8, 10, [9, 10])]


def test_a_bundle_without_some_frames_keeps_its_place_in_the_log():
    (whole,) = bundles(parcel([frame(1), frame(2, 3), frame(3)]), "g", 1_000)
    rest = whole.unseen(Coverage([(0, 1), (2, 3)]))
    assert (rest.after, rest.through) == (0, 3) and [entry.offset for entry in rest.entries] == [2]
    assert rest.batch.at_ns.tolist() == whole.batch.at_ns.tolist()[2:5]


def packed(**changes: object) -> bytes:
    """A bundle with some of its parts changed, and packed again with a right checksum."""
    (whole,) = bundles(parcel([frame(1), frame(2)]), "g", 1_000)
    parts = msgspec.msgpack.decode(zlib.decompress(pack(whole)[1:]))
    names = ("origin", "log", "after", "through", "settled", "entries", "series", "columns", "gaps")
    changed = [changes.get(name, part) for name, part in zip(names, parts, strict=True)]
    return bytes((VERSION,)) + zlib.compress(msgspec.msgpack.encode(changed))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"entries": [[1, 2], [1, 2]]}, "offsets do not rise"),
        ({"entries": [[1, 2], [3, 2]]}, "offsets do not rise"),
        ({"after": -5, "entries": [[1, 2], [2, 2]]}, "offsets do not rise"),
        ({"entries": [[1, 5], [2, -1]]}, "offsets do not rise"),
        ({"entries": [[1, 2]]}, "columns differ in length"),
        ({"series": []}, "a reading has no series"),
        ({"settled": 2**64 - 10}, "beyond any log"),
        ({"through": 2**63}, "beyond any log"),
        ({"gaps": [[1, ["a", "seq_gap", 0, 2**63, 1, "", "", ""]]]}, "nobody can book"),
        ({"gaps": [[1, ["a", "seq_gap", 0, 1, 2**64 - 1, "", "", ""]]]}, "nobody can book"),
        ({"series": [[["e", ""], "m"]]}, "Expected `object`|at least|site"),
        ({"columns": [b""]}, "Expected `array` of length"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(changes, reason):
    with pytest.raises(BadBundle, match=reason):
        unpack(packed(**changes))


def test_a_small_message_that_unpacks_to_a_huge_one_is_refused():
    bomb = bytes((VERSION,)) + zlib.compress(b"\0" * (MOST_BYTES + 1))
    with pytest.raises(BadBundle, match="damaged"):
        unpack(bomb)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_bundle(junk: bytes):
    with pytest.raises(BadBundle):
        unpack(bytes((VERSION,)) + junk)
