"""Mapping rules that could never be followed are refused when they are read; joined times stay bounded."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from collector.config import Site
from collector.formats import json_fields, json_rules
from collector.formats.format import BadPayload
from collector.formats.joined_time import NAMES_KEPT
from collector.sources.source import Message
from collector.topics import TopicTemplate

SITE = Site(enterprise="iot1", name="teaching_factory")


def rules(text: str, *, topic: str = "rig/#", site: Site = SITE) -> json_rules.JsonRules:
    options = msgspec.convert(tomllib.loads(text), json_rules.Options)
    return json_rules.build(options, site, TopicTemplate(topic))


def fields(text: str, site: Site = SITE) -> json_fields.JsonFields:
    options = msgspec.convert(tomllib.loads(text), json_fields.Options)
    return json_fields.build(options, site, TopicTemplate("rig/{cell}"))


WEIGHT = """
[[rule]]
topic = "rig/weight"
time = { field = "time" }
reading = [{ metric = "weight", value = "weight" }]
"""
CRACK = """
[[rule]]
topic = "rig/crack"
time = { joined_on = "bottle", with = "rig/weight" }
reading = [{ metric = "cracked", value = "cracked" }]
"""

MISTAKES = {
    "no rule": ("rule = []", "has no rule; add a [[subscribe.rule]]"),
    "no reading": ('[[rule]]\ntopic = "rig/a"\nreading = []', "rule rig/a: names no field to read; add one"),
    "same topic twice": (WEIGHT + WEIGHT, "two rules have the same topic"),
    "topic that is no template": (WEIGHT.replace("rig/weight", "rig/#/weight"), "`#` may stand only alone and last"),
    "topic outside the subscription": (
        WEIGHT.replace("rig/weight", "other/weight"),
        "rule other/weight: lies outside the subscribed rig/#",
    ),
    "partner without a rule": (CRACK, "joined with 'rig/weight', which is no rule with a time of its own"),
    "partner that is joined itself": (
        WEIGHT + CRACK + CRACK.replace("rig/crack", "rig/ink").replace('with = "rig/weight"', 'with = "rig/crack"'),
        "rule rig/ink: joined with 'rig/crack', which is no rule with a time of its own; write one of rig/weight",
    ),
    "half a join": (WEIGHT + CRACK.replace(', with = "rig/weight"', ""), "time is either { field, unit }"),
    "two kinds of time": (
        WEIGHT + CRACK.replace("{ joined", '{ field = "t", joined'),
        "time is either { field, unit }",
    ),
    "state without states": (WEIGHT.replace(" }]", ', kind = "state" }]'), "state series 'weight' needs its states"),
    "states of a gauge": (
        WEIGHT.replace(" }]", ', states = ["a"] }]'),
        "rule rig/weight: metric 'weight' has states; write kind = \"state\" or remove them",
    ),
    "a state twice": (WEIGHT.replace(" }]", ', kind = "state", states = ["a", "a"] }]'), "names a state twice"),
    "metric that is no name": (WEIGHT.replace('metric = "weight"', 'metric = "we:ght"'), "metric name 'we:ght'"),
    "metric twice": (
        WEIGHT.replace(" }]", ' }, { metric = "weight", value = "other" }]'),
        "two fields become the metric 'weight'; rename one",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_rule_that_could_never_be_followed_is_refused_at_the_start(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as mistake:
        rules(text)
    assert sentence in str(mistake.value)


def test_json_fields_needs_a_field() -> None:
    with pytest.raises(ValueError, match=r"json_fields of rig/\{cell\}: names no field to read; add one"):
        fields("[fields]")


def test_a_field_whose_name_cannot_be_a_metric_needs_one() -> None:
    with pytest.raises(ValueError, match="metric name 'ns:temp' is empty or holds one of"):
        fields('[fields."ns:temp"]')
    fields('[fields."ns:temp"]\nmetric = "temperature"')


def test_an_unknown_time_zone_is_refused() -> None:
    nowhere = Site(enterprise="iot1", name="teaching_factory", timezone="Mars/Olympus")
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'; write an IANA name"):
        rules(WEIGHT, site=nowhere)
    with pytest.raises(ValueError, match="no time zone"):
        fields("[fields.x]", site=nowhere)


def test_the_first_rule_that_fits_reads_a_topic() -> None:
    both = WEIGHT + WEIGHT.replace("rig/weight", "rig/{cell}").replace('metric = "weight"', 'metric = "any"')
    form = rules(both)
    names = []
    for topic in ("rig/weight", "rig/other"):
        (reading,) = form.decode(Message(topic, b'{"time": 1720730486, "weight": 1}', 0)).readings
        names.append(reading.series.name)
    assert names == ["teaching_factory:weight", "teaching_factory/other:any"]


def test_the_thing_not_named_for_longest_is_forgotten() -> None:
    form = rules(WEIGHT + CRACK)
    for bottle in (*range(NAMES_KEPT), 0, NAMES_KEPT):  # 0 is named again, so 1 is the oldest when one too many comes
        form.decode(Message("rig/weight", b'{"bottle": %d, "time": 1720730486, "weight": 1}' % bottle, 0))
    form.decode(Message("rig/crack", b'{"bottle": 0, "cracked": 1}', 0))
    with pytest.raises(BadPayload, match='bottle "1" has no time'):
        form.decode(Message("rig/crack", b'{"bottle": 1, "cracked": 1}', 0))


def test_memory_of_rules_that_are_gone_is_dropped() -> None:
    form = rules(WEIGHT + CRACK)
    form.decode(Message("rig/weight", b'{"bottle": 7, "time": 1720730486, "weight": 1}', 0))
    without = rules(WEIGHT)
    without.restore(form.snapshot())
    assert without.snapshot() == b""


def test_more_topics_than_are_remembered_are_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rules, "MOST_REMEMBERED", 3)
    form = rules(WEIGHT.replace("rig/weight", "rig/{cell}"))
    for i in range(10):
        (reading,) = form.decode(Message(f"rig/{i}", b'{"time": 1720730486, "weight": 1}', 0)).readings
        assert reading.series.equipment.cell == str(i)
