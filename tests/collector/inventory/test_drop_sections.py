"""[[drop]] in site.toml: a mistake is named by key and remedy, and files stand beside the brokers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from collector.clocks.clock import WallClock
from collector.config import ConfigError, DropSettings, read
from collector.health.counters import Counters
from collector.sources.drop_folder import DropFolder
from collector.sources.drop_globs import overlap
from collector.sources.drop_sections import check_folders, drops_of, with_drops
from collector.sources.several import Several
from collector.sources.source import Delivery, Message, Saying
from tests.collector.inventory.collecting import MOVEMENTS, decoder

SITE = '[site]\nenterprise = "e"\nname = "nanjing"\n'
DROP = '[[drop]]\nfolder = "in"\ntopic = "andon/v1/nanjing/movement"\n'

TWO = DROP + 'glob = "{}"\n' + DROP.replace('"in"', '"{}"') + 'glob = "{}"\n'

MISTAKES = {
    "a topic nobody reads": (DROP.replace("andon/v1", "erp"), r"`drop\[0\].topic`: no \[\[subscribe\]\] reads 'erp/"),
    "the same files twice": (DROP + DROP, r"`drop\[1\].glob`: '\*.csv' of 'in' is read twice; remove one"),
    "one folder by two names": (TWO.format("*.csv", "./in", "*.csv"), r"`drop\[1\].glob`: .*is read twice; remove one"),
    "globs that overlap": (TWO.format("*.csv", "in", "*"), r"`drop\[1\].glob`: '\*' and '\*.csv' of 'in' may match"),
    "where read files go": (TWO.format("*", "in/done", "*"), r"`drop\[1\].folder`: '.*/in/done' is where files go"),
    "a filter": (DROP.replace("movement", "#"), r"`drop\[0\].topic`: 'andon/v1/nanjing/#' is a filter: .*; write it"),
    "an open class": (DROP + 'glob = "["\n', r"`drop\[0\].glob`: '\[' opens a \[ that no \] closes"),
    "hidden files": (DROP + 'glob = ".*"\n', r"`drop\[0\].glob`: '.\*' names hidden files"),
    "a line's end as delimiter": (DROP + 'delimiter = "\\n"\n', r"`drop\[0\].delimiter`: .* stands in names"),
    "two delimiters": (DROP + 'delimiter = ";;"\n', r"`drop\[0\].delimiter`: .*length <= 1; correct the value"),
    "a comma for two things": (DROP + 'decimal = ","\n', r"`drop\[0\].decimal`: ',' is the delimiter, too: write"),
    "lines together": (DROP + 'format = "lines"\ntogether = true\n', r"`drop\[0\].together`: .*\"lines\": remove it"),
    "columns of lines": (DROP + 'format = "lines"\nneeds = ["a"]\n', r"`drop\[0\].needs`: .*\"lines\": remove it"),
    "files below": (DROP + 'glob = "*/a.csv"\n', r"`drop\[0\].glob`: .*; correct the value"),
    "an unknown key": (DROP + 'pattern = "*"\n', r"`drop\[0\]`: .* unknown field `pattern`; remove or rename it"),
    "no such folder": (DROP, r"`drop\[0\].folder`: .*in is no folder; create it"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_key_and_remedy(tmp_path: Path, text: str, sentence: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE + text)
    with pytest.raises(ConfigError, match=sentence):
        drops_of(read(site), decoder())
        check_folders(read(site))


@pytest.mark.parametrize(
    ("one", "other", "is_overlap"),
    [
        ("*.csv", "*.json", False),
        ("*.csv", "a*", True),
        ("stock_*", "move_*", False),
        ("a?c", "ab[cd]", True),
        ("a?c", "ab[!c]", False),
        ("[0-4]*", "[5-9]*", False),
        ("*a*b*", "*b*a*", True),
        ("abc", "ab", False),
        ("**", "", True),
    ],
)
def test_two_globs_overlap_where_one_name_fits_both(one: str, other: str, is_overlap: bool) -> None:
    assert overlap(one, other) is is_overlap
    assert overlap(other, one) is is_overlap


def test_without_a_drop_the_source_stays_as_it_is(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    main = Broker([])
    assert with_drops(main, read(site), WallClock(), Counters(), lambda name: b"") is main


class Broker:
    """Gives messages, is acknowledged, is told what to say."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages, self.acknowledged, self.said, self.waited_s = list(messages), 0, list[Saying](), list[float]()

    def receive(self, limit: int, wait_s: float) -> Delivery:
        self.waited_s.append(wait_s)
        taken, self.messages = self.messages[:limit], self.messages[limit:]
        return Delivery(taken, self._note, is_settled=False)

    def publish(self, sayings: Sequence[Saying]) -> None:
        self.said += sayings

    def close(self) -> None:
        self.messages = []

    def _note(self) -> None:
        self.acknowledged += 1


@pytest.fixture
def drop(tmp_path: Path) -> Callable[[str], DropFolder]:
    (tmp_path / "in").mkdir()

    def dropping(text: str) -> DropFolder:
        (tmp_path / "in" / "a.csv").write_text(text)
        return DropFolder(
            DropSettings(folder="in", topic=MOVEMENTS.topic, settle_s=0.0),
            tmp_path,
            WallClock(),
            Counters(),
            lambda name: b"",
        )

    return dropping


def test_files_and_brokers_take_turns_and_only_files_tell_of_the_past(
    drop: Callable[[str], DropFolder], tmp_path: Path
) -> None:
    broker = Broker([Message("t", b"1", 0)])
    several = Several(broker, [drop("item\nigbt\n")])
    rows, live = several.receive(10, 0.2), several.receive(10, 0.2)
    assert [message.topic for message in (*rows.messages, *live.messages)] == [MOVEMENTS.topic, "t"]
    assert [rows.is_history, rows.is_settled, live.is_history] == [True, False, False]
    assert (tmp_path / "in" / "a.csv").exists()
    rows.acknowledge()
    assert (broker.acknowledged, (tmp_path / "in" / "done" / "a.csv").exists()) == (0, True)
    live.acknowledge()
    assert broker.acknowledged == 1


def test_the_broker_is_waited_for_only_where_no_file_has_rows(drop: Callable[[str], DropFolder]) -> None:
    broker = Broker([])
    several = Several(broker, [drop("item\nigbt\n")])
    for _ in range(5):
        several.receive(10, 0.2).acknowledge()
    assert broker.waited_s == [0.0, 0.0, 0.2]  # rows, the place to be forgotten, nothing


def test_what_is_to_be_said_is_said_by_the_broker(drop: Callable[[str], DropFolder]) -> None:
    broker = Broker([])
    Several(broker, [drop("item\n")]).publish([Saying("t", b"1")])
    assert broker.said == [Saying("t", b"1")]
