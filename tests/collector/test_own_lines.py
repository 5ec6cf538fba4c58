"""The lines that nobody but Andon may fill, and the messages that say nothing: both are told, neither is lost."""

from __future__ import annotations

import pytest

from collector.clocks.clock import WallClock
from collector.config import Site
from collector.decoder import Decoder
from collector.formats import json_fields, json_value, kepware
from collector.formats.format import Format
from collector.formats.forwarded import Forwarded
from collector.formats.tags import TagRule
from collector.forwarding.bundle import Bundle, Entry, pack
from collector.intake import Intake
from collector.readings import Equipment, Series
from collector.schema import INVENTORY_LINE, OWN_LINES, SELF_LINE
from collector.sources.source import Message
from collector.topics import TopicTemplate
from tests.collector.batches import batch
from tests.collector.sparkplug_nodes import Node, new_format, ns

AT_NS = 1_720_730_488_000_000_000
SITE = Site(enterprise="acme", name="works")
ANY_LINE = TopicTemplate("q/{line}/{cell}/{metric}")
every_own_line = pytest.mark.parametrize("line", sorted(OWN_LINES))


def values() -> Format:
    return json_value.build(json_value.Options(), SITE, ANY_LINE)


def taken(form: Format, *messages: tuple[str, bytes], template: TopicTemplate = ANY_LINE) -> Intake:
    decoder = Decoder([(template, form)], WallClock())
    for message in messages[:-1]:
        decoder.decode([Message(*message, AT_NS)])
    return decoder.decode([Message(*messages[-1], AT_NS)])


@every_own_line
def test_a_topic_that_maps_to_an_own_line_is_a_letter_with_the_remedy(line: str) -> None:
    intake = taken(values(), (f"q/{line}/bolt/on_hand", b"12"))
    (letter,) = intake.dead
    assert len(intake) == 0
    assert letter.reason == (
        f"topic q/{line}/bolt/on_hand: `{line}` is Andon's own line, which no sender may fill: "
        "map the topic to another line in site.toml"
    )


def test_it_stays_one_when_it_is_sent_again() -> None:
    same = (f"q/{INVENTORY_LINE}/bolt/on_hand", b"12")
    assert [len(taken(values(), same, same).dead), len(taken(values(), same, same))] == [1, 0]


def test_any_other_line_is_the_senders() -> None:
    assert len(taken(values(), ("q/press/bolt/on_hand", b"12"))) == 1


def test_what_reads_payloads_whole_refuses_an_own_line_too() -> None:
    template = TopicTemplate("q/{line}")
    options = json_fields.Options(time="", fields={"level": json_fields.Field()})
    same = (f"q/{SELF_LINE}", b'{"level": 1.5}')
    intake = taken(json_fields.build(options, SITE, template), same, same, same, template=template)
    assert (len(intake), len(intake.dead)) == (0, 1)


@every_own_line
def test_a_line_that_the_tags_say_is_looked_at_once_for_each_series(line: str) -> None:
    options = kepware.Options(tag=(TagRule(name="{line}.{what}", metric="{what}"),))
    template = TopicTemplate("scada/#")
    form = kepware.build(options, SITE, template)
    payload = b'{"timestamp": 1720730488000, "values": [{"id": "%s.depth", "v": 1}]}'
    good, own = (("scada/x", payload % one) for one in (b"press", line.encode()))
    intake = taken(form, good, own, own, template=template)
    assert (len(intake), len(intake.dead)) == (0, 1)
    assert len(taken(form, own, good, template=template)) == 1


def test_an_edge_node_called_as_an_own_line_is_refused() -> None:
    node = Node(name=SELF_LINE)
    decoder = Decoder([(TopicTemplate("spBv1.0/#"), new_format())], WallClock())
    intake = decoder.decode([*node.born(0), node.data(1)])
    assert (len(intake), len(intake.dead)) == (0, 3)


def test_a_gateway_brings_its_own_counters() -> None:
    own = Series(Equipment("acme", "works", line=SELF_LINE, cell="gateway 1"), "spool_depth")
    counted = batch((0, AT_NS, 7.0, 0, AT_NS))
    bundle = Bundle("gateway 1", "5eed5eed5eed5eed", 0, 1, 0, (Entry(1, 1),), (own,), counted, ())
    intake = taken(Forwarded(), ("andon/forward/gateway 1", pack(bundle)), template=TopicTemplate("andon/forward/+"))
    assert (len(intake), intake.dead) == (1, [])


# ---- messages that say nothing ---------------------------------------------------------------------------------------


def test_a_message_that_says_nothing_is_counted_and_what_it_left_out_is_named() -> None:
    form = kepware.build(kepware.Options(), SITE, TopicTemplate("scada/#"))
    payload = b'{"timestamp": 1720730488000, "values": [{"id": "Batch", "v": "B-17"}]}'
    intake = taken(form, ("scada/x", payload), template=TopicTemplate("scada/#"))
    assert (intake.silent, intake.left_out, intake.dead) == (1, {("scada/x", "Batch"): 1}, [])


def test_a_message_of_numbers_and_names_says_something() -> None:
    form = kepware.build(kepware.Options(), SITE, TopicTemplate("scada/#"))
    payload = b'{"timestamp": 1720730488000, "values": [{"id": "Batch", "v": "B-17"}, {"id": "Count", "v": 1}]}'
    intake = taken(form, ("scada/x", payload), template=TopicTemplate("scada/#"))
    assert (intake.silent, intake.left_out.total(), len(intake)) == (0, 1, 1)


def test_null_says_nothing() -> None:
    assert taken(values(), ("q/press/1/temp", b"null")).silent == 1


def test_a_dead_letter_is_not_silent() -> None:
    intake = taken(values(), ("q/press/1/temp", b"1,5"))
    assert (intake.silent, len(intake.dead)) == (0, 1)


def test_what_waits_for_others_is_not_silent() -> None:
    node = Node()
    decoder = Decoder([(TopicTemplate("spBv1.0/#"), new_format())], WallClock())
    decoder.decode(node.born(0))
    late, early = node.data(1), node.data(2)
    intake = decoder.decode([early])
    assert (len(intake), intake.silent) == (0, 0)
    assert len(decoder.decode([late], now_ns=ns(2))) == 4
