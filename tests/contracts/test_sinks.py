"""What every sink of the folder promises.

A sink `NAME` brings its store with it: `tests/collector/test_NAME_sink.py` offers `store(folder)`, a context manager
that gives a `Store`. No list is edited here.
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

ROWS = [b"reading,site=s,metric=m value=%d.0 %d" % (i, 1_700_000_000_000_000_000 + i) for i in range(50)]


class Store(Protocol):
    """The other side of a sink, up until `stop`, and again after `start`."""

    options: dict[str, Any]

    def stored(self) -> list[bytes]: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...


@pytest.fixture(params=names_in(collector.sinks))
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


def test_all_rows_are_stored_on_return(sink, store):
    sink.write(ROWS[:20])
    sink.write(ROWS[20:])
    assert store.stored() == ROWS


def test_the_same_rows_again_change_no_point(sink, store):
    sink.write(ROWS)
    sink.write(ROWS)
    assert set(store.stored()) == set(ROWS)


def test_no_rows_need_no_store(sink, store):
    store.stop()
    sink.write([])


def test_it_is_built_while_the_store_is_away_and_says_so_when_it_writes(sink, store):
    store.stop()
    with pytest.raises(SinkUnavailable) as said:
        sink.write(ROWS)
    sentence = str(said.value)
    assert ":" in sentence and len(sentence) < 500 and "\n" not in sentence
    assert store.stored() == []


def test_what_could_not_be_written_is_stored_once_the_store_is_back(sink, store):
    sink.write(ROWS[:10])
    store.stop()
    with pytest.raises(SinkUnavailable):
        sink.write(ROWS[10:])
    store.start()
    sink.write(ROWS[10:])
    assert store.stored() == ROWS


def test_another_sink_goes_on_where_one_was_closed(sink, module, store, tmp_path):
    sink.write(ROWS[:10])
    sink.close()
    sink.close()
    other = module.build(msgspec.convert(store.options, module.Options), tmp_path)
    other.write(ROWS[10:])
    other.close()
    assert store.stored() == ROWS


def test_an_option_it_does_not_know_is_refused(module, store):
    with pytest.raises(msgspec.ValidationError, match="no_such_option"):
        msgspec.convert({**store.options, "no_such_option": 1}, module.Options)


def test_every_option_has_a_default(module):
    assert module.Options()
