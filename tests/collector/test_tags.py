"""What `collector.formats.tags` promises every dialect that sends values under names of their own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from collector.config import Site
from collector.formats.format import BadPayload
from collector.formats.tags import Tag, TagFormat, TagOptions, TagRule
from collector.readings import Equipment, Kind, Quality, Reading
from collector.sources.source import Message
from collector.topics import TopicTemplate

AT_MS, AT_NS = 1_720_730_488_000, 1_720_730_488_000_000_000
MESSAGE = Message("scada/press/x", b"", AT_NS + 1)


def readings(*tags: Tag, rules: Iterable[TagRule] = (), cell: str = "") -> list[Reading]:
    return list(_format(tags, TagOptions(tag=tuple(rules), cell=cell)).decode(MESSAGE).readings)


def _format(tags: tuple[Tag, ...], options: TagOptions) -> TagFormat:
    topic = TopicTemplate("scada/{line}/#")
    return TagFormat(lambda _: tags, options, Site(enterprise="acme", name="works"), topic)


def test_a_tag_nobody_described_is_a_gauge_under_its_own_name() -> None:
    (found,) = readings(Tag("Press.1.Temp", 41.5, AT_MS))
    assert (found.series.name, found.series.kind, found.at_ns) == ("works/press:Press.1.Temp", Kind.GAUGE, AT_NS)


def test_what_nobody_described_and_is_no_number_is_left_out_by_name() -> None:
    tags = Tag("a", "text", AT_MS), Tag("b", [1], AT_MS), Tag("c", {}, AT_MS), Tag("d", None, AT_MS)
    decoded = _format(tags, TagOptions()).decode(MESSAGE)
    assert (len(decoded.readings), decoded.left_out) == (0, ["a", "b", "c"])  # null says nothing, so nothing is missed


def test_what_is_skipped_is_not_left_out() -> None:
    decoded = _format((Tag("a", "20,5", AT_MS),), TagOptions(tag=(TagRule(name="a", skip=True),))).decode(MESSAGE)
    assert (len(decoded.readings), decoded.left_out) == (0, [])


def test_a_text_that_looks_like_a_number_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadPayload, match=r'"temp" holds "20,5", which looks like a number .* `skip` it'):
        readings(Tag("temp", "20,5", AT_MS))


def test_a_text_after_numbers_of_the_same_tag_is_refused() -> None:
    tags = [Tag("temp", 41.5, AT_MS)]
    form = TagFormat(lambda _: tags, TagOptions(), Site(enterprise="acme", name="works"), TopicTemplate("#"))
    assert len(form.decode(MESSAGE).readings) == 1
    tags[0] = Tag("temp", "hot", AT_MS)
    with pytest.raises(BadPayload, match='"temp" holds "hot", and gave numbers before'):
        form.decode(MESSAGE)


def test_a_wrong_time_is_told_by_its_own_field() -> None:
    with pytest.raises(BadPayload, match='field `timestamp` of `temp` holds "soon"'):
        readings(Tag("temp", 41.5, "soon"))


def test_what_is_described_must_be_worth_something() -> None:
    with pytest.raises(BadPayload, match='field `count` holds "many", a number is wanted'):
        readings(Tag("count", "many", AT_MS), rules=[TagRule(name="count")])


def test_captures_of_a_tag_say_where_it_belongs_and_how_it_is_called() -> None:
    rule = TagRule(name="Press.{cell}.{what}", metric="{what}_count", kind=Kind.COUNTER)
    (found,) = readings(Tag("Press.7.good", 3, AT_MS), rules=[rule])
    assert found.series.equipment == Equipment("acme", "works", line="press", cell="7")
    assert found.series.metric == "good_count"


def test_the_words_of_a_message_say_where_it_belongs() -> None:
    (found,) = readings(Tag("good", 3, AT_MS, said=(("node", "plc7"),)), cell="{node}")
    assert found.series.equipment.cell == "plc7"


def test_a_slot_that_nothing_fills_is_named() -> None:
    with pytest.raises(BadPayload, match=r"nothing fills the slot \{node\}"):
        readings(Tag("good", 3, AT_MS), cell="{node}")


def test_bad_quality_without_a_value_is_worth_knowing() -> None:
    (found,) = readings(Tag("good", None, AT_MS, Quality.BAD))
    assert found.quality == Quality.BAD


def test_a_sender_s_unit_is_kept_and_never_silently_another() -> None:
    (found,) = readings(Tag("weight", 3, AT_MS, unit="kg"))
    assert found.series.unit == "kg"
    with pytest.raises(BadPayload, match=r'"weight" is sent in "kg", site\.toml says "g"'):
        readings(Tag("weight", 3, AT_MS, unit="kg"), rules=[TagRule(name="weight", unit="g")])


def test_without_a_time_of_its_own_a_tag_has_the_time_of_receipt() -> None:
    (found,) = readings(Tag("good", 3))
    assert found.at_ns == MESSAGE.received_ns


def test_a_capture_that_stands_twice_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="a capture stands twice"):
        readings(rules=[TagRule(name="{cell}/{cell}")])


def test_a_topic_says_the_place_unless_tags_have_a_say_in_it() -> None:
    assert _format((), TagOptions()).place("scada/press/x") == Equipment("acme", "works", line="press")
    assert _format((), TagOptions(tag=(TagRule(name="*", cell="{cell}"),))).place("scada/press/x") is None
