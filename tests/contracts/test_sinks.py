"""What every sink of the folder promises.

A sink `NAME` brings its store with it: `tests/collector/test_NAME_sink.py` offers `store(folder)`, a context manager
that gives a `Store`. No list is edited here. One whose module says `STORES_READINGS = False` tells of something else:
of it only what concerns its options is held here, its own tests hold the rest.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import msgspec
import pytest

import collector.sinks
from collector.folder import names_in
from collector.sinks.sink import Sink, SinkUnavailable
from collector.spool.frames import Record, record_frame, tick_frame
from tests.collector.parcels import Point, frame, parcel, points

SAMPLE = Path(__file__).parents[2] / "deploy" / "sites" / "teaching_factory" / "site.toml"
NAMES = names_in(collector.sinks)
STORES = [
    name for name in NAMES if getattr(importlib.import_module(f"collector.sinks.{name}"), "STORES_READINGS", True)
]
every_sink = pytest.mark.parametrize("name", NAMES)
FRAMES = [frame(offset, 5) for offset in range(1, 11)]
FIRST, SECOND, ALL = parcel(FRAMES[:4]), parcel(FRAMES[4:]), parcel(FRAMES)


class Store(Protocol):
    """The other side of a sink, up until `stop`, and again after `start`."""

    options: dict[str, Any]

    def stored(self) -> list[Point]:
        """What whoever reads the store finds, in the order it was stored."""
        ...

    def stop(self) -> None: ...
    def start(self) -> None: ...


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def module(name: str) -> ModuleType:
    return importlib.import_module(f"collector.sinks.{name}")


@pytest.fixture
def store(name: str, tmp_path: Path) -> Iterator[Store]:
    try:
        bench = importlib.import_module(f"tests.collector.test_{name}_sink")
    except ModuleNotFoundError as error:
        pytest.fail(f"the sink {name} needs tests/collector/test_{name}_sink.py with `store(folder)` ({error})")
    with bench.store(tmp_path) as other_side:
        yield other_side


@pytest.fixture
def sink(module: ModuleType, store: Store, tmp_path: Path) -> Iterator[Sink]:
    built = module.build(msgspec.convert(store.options, module.Options), tmp_path)
    yield built
    built.close()


def test_all_readings_are_stored_on_return_and_in_order(sink, store):
    sink.write(FIRST)
    sink.write(SECOND)
    assert store.stored() == points([ALL])


def test_the_same_parcel_again_changes_no_point(sink, store):
    sink.write(ALL)
    sink.write(ALL)
    assert set(store.stored()) == set(points([ALL]))


def test_a_parcel_cut_otherwise_after_a_crash_changes_no_point(sink, store):
    sink.write(FIRST)
    sink.write(ALL)
    assert set(store.stored()) == set(points([ALL]))


def test_what_comes_late_is_stored_too(sink, store):
    """A backlog comes beside what happens now: later, and with lower offsets."""
    sink.write(parcel(FRAMES[4:], settled=0))
    sink.write(FIRST)
    assert set(store.stored()) == set(points([ALL]))


def test_a_parcel_of_nothing_needs_no_store(sink, store):
    store.stop()
    sink.write(parcel([]))


def test_frames_without_readings_hold_up_no_reading(sink, store):
    said = record_frame("rig/bottling", Record("expected", {"site": "rig"}, {"value": 1.0}, 1))
    sink.write(parcel([tick_frame(1)._replace(offset=1), said._replace(offset=2)]))
    sink.write(parcel([frame(3)]))
    assert store.stored() == points([parcel([frame(3)])])


def test_it_is_built_while_the_store_is_away_and_says_so_when_it_writes(sink, store):
    store.stop()
    with pytest.raises(SinkUnavailable) as said:
        sink.write(ALL)
    sentence = str(said.value)
    assert ":" in sentence and len(sentence) < 500 and "\n" not in sentence
    assert store.stored() == []


def test_what_could_not_be_written_is_stored_once_the_store_is_back(sink, store):
    sink.write(FIRST)
    store.stop()
    with pytest.raises(SinkUnavailable):
        sink.write(SECOND)
    store.start()
    sink.write(SECOND)
    assert store.stored() == points([ALL])


def test_another_sink_goes_on_where_one_was_closed(sink, module, store, tmp_path):
    sink.write(FIRST)
    sink.close()
    sink.close()
    other = module.build(msgspec.convert(store.options, module.Options), tmp_path)
    other.write(SECOND)
    other.close()
    assert store.stored() == points([ALL])


@every_sink
def test_an_option_it_does_not_know_is_refused(module):
    with pytest.raises(msgspec.ValidationError, match="no_such_option"):
        msgspec.convert({"no_such_option": 1}, module.Options)


@every_sink
def test_every_option_has_a_default(module):
    assert module.Options()


@every_sink
def test_the_sample_site_explains_every_option(name, module):
    sections = SAMPLE.read_text(encoding="utf-8").split("[[sink]]")
    (own,) = (section.partition("\n\n")[0] for section in sections if f'kind = "{name}"' in section)
    lines = [line.removeprefix("# ") for line in own.splitlines()]
    for field in msgspec.structs.fields(module.Options):
        explained = any(line.startswith(f"{field.encode_name} = ") and "  #" in line for line in lines)
        assert explained, f"{SAMPLE} does not explain {field.encode_name} of {name}"
