"""What `collector.recognition` promises: from messages to rules that read them, whatever the messages are."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config import Site
from collector.readings import NS_PER_S, Kind, Reading
from collector.recognition.columns import Column
from collector.recognition.dialects import recognisers, verdict
from collector.recognition.instants import unit_of
from collector.recognition.proposal import Asked
from collector.recognition.quantity import Guess, LeftOut, guess
from collector.recognition.recognise import Recognised, recognise
from collector.recognition.rules_text import Key, Table, written
from collector.recognition.trial import read_by, tried
from collector.recognition.units import unit_in
from collector.sources.source import Message
from collector.units.agreement import check_units

AT_S = 1_720_730_488
AT_NS = AT_S * NS_PER_S
SITE = Site(enterprise="acme", name="works")


def message(topic: str, said: object, at_s: float = AT_S) -> Message:
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Message(topic, payload, round(at_s * NS_PER_S))


def rules(found: Recognised) -> list[dict[str, Any]]:
    """The [[subscribe.rule]]s of the only subscription."""
    (subscription,) = tomllib.loads(found.text)["subscribe"]
    own: list[dict[str, Any]] = subscription["rule"]
    return own


def series_by(messages: Sequence[Message], line: str = "") -> dict[str, list[Reading]]:
    """What the rules found for messages read of them."""
    found = recognise(messages, Asked(SITE, line))
    series: dict[str, list[Reading]] = {}
    for reading, _ in read_by(found.text, SITE, messages).readings:
        series.setdefault(reading.series.name, []).append(reading)
    return series


def column(*places: Iterable[object]) -> Column:
    found = Column()
    for number, values in enumerate(places):
        for value in values:
            found.add(str(number), value)
    return found


# ---- units and names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "plain", "unit"),
    [
        ("fill_level_grams", "fill_level", "g"),
        ("temperature_C", "temperature", "Cel"),
        ("temperatureC", "temperature", "Cel"),
        ("speed_mm_s", "speed", "mm/s"),
        ("energy_kWh", "energy", "kW.h"),
        ("weight.kg", "weight", "kg"),
        ("vibration-index", "vibration", "1"),
        ("spindle_rpm", "spindle", "/min"),
        ("zone_C", "zone_C", "1"),  # a letter alone is no unit
        ("stock_a", "stock_a", "1"),
        ("kg", "kg", "1"),  # nothing would be left
    ],
)
def test_a_unit_at_the_end_of_a_name_becomes_the_unit(name: str, plain: str, unit: str) -> None:
    assert unit_in(name)[:2] == (plain, unit)


def test_every_unit_a_name_may_end_in_is_a_ucum_code() -> None:
    from collector.recognition import units

    for code in {*units._SAID.values(), *(code for code, _ in units._LETTERS.values())}:
        check_units(code, "")


# ---- kinds -----------------------------------------------------------------------------------------------------------


def found(name: str, *places: Iterable[object]) -> Guess:
    one = guess(name, column(*places))
    assert isinstance(one, Guess), one
    return one


def test_a_counter_is_a_whole_number_that_never_falls_but_to_start_anew() -> None:
    assert found("made", [*range(50), *range(30)]).kind is Kind.COUNTER
    assert found("made", range(100, 150), range(3, 53)).kind is Kind.COUNTER
    assert found("made", [5, 4] * 20).kind is Kind.GAUGE


def test_a_setting_that_rises_now_and_then_is_no_counter() -> None:
    assert found("recipe", [12] * 100 + [18] * 100 + [20] * 100).kind is Kind.GAUGE


def test_a_name_makes_a_counter_of_few_values_but_not_of_one_that_falls() -> None:
    assert found("scrap", [0, 0, 1, 1]).kind is Kind.COUNTER
    assert found("good_count", [10, 9, 8, 10]).kind is Kind.GAUGE


def test_energy_counts_in_fractions() -> None:
    assert found("energy_kWh", [1.5, 1.75, 1.75, 2.25])[1:3] == (Kind.COUNTER, "kW.h")


def test_a_stock_is_known_by_its_name_or_by_being_used_and_refilled() -> None:
    used = [float(level) for _ in range(3) for level in range(100, 10, -2)]
    assert found("beads", used).kind is Kind.STOCK
    assert found("stock_rotor", [160, 159]).kind is Kind.STOCK
    assert found("noise_level_db", [60, 61]).kind is Kind.GAUGE
    assert found("stock_rotor", [-1, 159]).kind is Kind.GAUGE  # a stock is never below zero
    assert found("beads", [20.0, 20.5, 19.8, 20.1] * 10).kind is Kind.GAUGE


def test_few_texts_that_return_are_a_state_and_names_are_not() -> None:
    assert found("state", ["running", "stopped"]).states == ("running", "stopped")
    assert found("mode_text", ["auto", "hand"] * 5).kind is Kind.STATE
    assert isinstance(guess("order_id", column(["A7", "A7", "A8", "A8"])), LeftOut)
    assert isinstance(guess("operator", column(["Li"] * 9)), LeftOut)
    assert isinstance(guess("note", column([f"text {i}" for i in range(30)])), LeftOut)


def test_small_whole_numbers_are_a_state_only_by_name() -> None:
    assert found("machine_state", [0, 2, 1]).states == ("0", "1", "2")
    assert found("lane", [0, 2, 1]).kind is Kind.GAUGE


def test_yes_and_no_are_a_state_however_they_are_spelled() -> None:
    assert found("is_cracked", ["0", "1"])[:4] == ("cracked", Kind.STATE, "1", ("not cracked", "cracked"))
    assert found("running", [True, False]).states == ("not running", "running")
    assert found("is_open", ["true", "false"]).states == ("false", "true")


@pytest.mark.parametrize("values", [[None], [[1]], [{}]])
def test_what_is_no_value_is_left_out_with_a_reason(values: list[object]) -> None:
    one = guess("x", column(values))
    assert isinstance(one, LeftOut) and one.why


# ---- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (AT_S - 2, "s"),
        ((AT_S - 2) * 1_000, "ms"),
        (str((AT_S - 2) * 10**6), "us"),
        ((AT_S - 2) * 10**9, "ns"),
        ("2024-07-11T20:41:26Z", "iso"),
        ("2024-07-11T22:41:26+02:00", "iso"),
        ("2024-07-11T20:41:26", "iso"),
    ],
)
def test_the_unit_of_a_time_is_the_one_that_fits_its_receipt(value: object, unit: str) -> None:
    one = unit_of("time", [(value, AT_NS)], dt.UTC)
    assert one is not None
    assert (one.unit, one.distance_s) == (unit, 2.0)
    assert "2024-07-11T20:41:26Z, 2 s before receipt" in one.proof


def test_the_proof_names_the_unit_that_does_not_fit() -> None:
    one = unit_of("time", [(AT_S, AT_NS + 2 * NS_PER_S)], dt.UTC)
    assert one is not None
    assert one.proof == "`time` 1720730488: as s it is 2024-07-11T20:41:28Z, 2 s before receipt; as ms 1970-01-20"


def test_a_time_without_a_zone_is_read_in_the_sites() -> None:
    site = Site(enterprise="acme", name="works", timezone="Asia/Shanghai")
    text = recognise([message("acme/works/m1/x", {"ts": "2024-07-12T04:41:28", "v": 1.5})], Asked(site)).text
    assert "read in Asia/Shanghai: as iso it is 2024-07-11T20:41:28Z, at receipt" in text


def test_a_number_that_is_no_time_is_none() -> None:
    assert unit_of("time", [(17, AT_NS)], dt.UTC) is None
    assert unit_of("time", [(True, AT_NS), ("soon", AT_NS)], dt.UTC) is None


# ---- places ----------------------------------------------------------------------------------------------------------


def test_levels_that_vary_are_line_and_cell_under_enterprise_and_site() -> None:
    topics = [f"acme/works/{line}/{cell}" for line in ("m1", "m2") for cell in ("press", "oven")]
    readings = series_by([message(topic, {"temp": 20.5}) for topic in topics])
    assert sorted(readings) == [f"works/{line}/{cell}:temp" for line in ("m1", "m2") for cell in ("oven", "press")]


def test_a_last_level_named_like_a_field_is_no_cell() -> None:
    topics = ["acme/works/m1/press/temp", "acme/works/m2/press/temp"]
    readings = series_by([message(topic, {"temp_C": 20.5}) for topic in topics])
    assert sorted(readings) == ["works/m1/press:temp", "works/m2/press:temp"]


def test_a_last_level_that_says_what_kind_of_message_it_is_is_no_cell() -> None:
    readings = series_by([message(f"acme/works/m{i}/press/status", {"temp": 20.5}) for i in (1, 2)])
    assert sorted(readings) == ["works/m1/press:temp", "works/m2/press:temp"]


def test_the_payload_says_the_cell_where_one_topic_serves_many() -> None:
    readings = series_by([message("acme/works/m1/data", {"machine": name, "temp": 1.5}) for name in ("a", "b")])
    assert [name.split(":")[0].rsplit("/", 1)[1] for name in sorted(readings)] == ["a", "b"]


def test_the_line_is_asked_for_where_no_topic_says_it() -> None:
    messages = [message(f"acme/works/tank_{name}", {"tank": name, "level": 5.5}) for name in ("red", "blue")]
    assert sorted(series_by(messages)) == ["works/blue:level", "works/red:level"]
    assert sorted(series_by(messages, line="mixing")) == ["works/mixing/blue:level", "works/mixing/red:level"]


def test_without_a_site_the_topics_say_it_and_it_is_written() -> None:
    messages = [message(f"acme/works/m{i}/press", {"temp": 1.5}) for i in (1, 2)]
    own = tomllib.loads(recognise(messages, Asked()).text)["site"]
    assert own == {"enterprise": "acme", "name": "works"}


# ---- rules -----------------------------------------------------------------------------------------------------------


def weighed(count: int) -> list[Message]:
    """Bottles that are weighed, and what a camera says of each without a time."""
    return [
        one
        for i in range(count)
        for one in (
            message(
                "acme/works/scale/weight",
                {"bottle": str(7 + i), "time": AT_S + 4 * i, "weight_g": 20.5 + i % 3},
                AT_S + 4 * i,
            ),
            message("acme/works/camera", {"bottle": str(7 + i), "is_cracked": "0"}, AT_S + 4 * i + 1),
        )
    ]


def test_messages_without_a_time_take_that_of_what_they_name() -> None:
    messages = weighed(20)
    camera = next(rule for rule in rules(recognise(messages, Asked(SITE))) if rule["topic"].endswith("camera"))
    assert camera["time"] == {"joined_on": "bottle", "with": "acme/works/scale/weight"}
    cracked = series_by(messages)["works/scale:cracked"]
    assert [reading.at_ns for reading in cracked] == [AT_NS + 4 * i * NS_PER_S for i in range(20)]


def test_things_that_are_numbered_are_counted_once() -> None:
    counters = [own[0].series for own in series_by(weighed(20)).values() if own[0].series.kind is Kind.COUNTER]
    assert [(one.name, one.on_event) for one in counters] == [("works/scale:bottles", True)]


def test_every_guess_is_written_with_its_reason() -> None:
    text = recognise(weighed(20), Asked(SITE)).text
    assert "unit = \"g\"  # its name ends in 'g'" in text
    assert "# left out: bottle: it names things, which are counted in acme/works/scale/weight" in text


def test_a_field_that_some_messages_lack_is_optional() -> None:
    messages = [message("acme/works/m1/x", {"a": 1.5, **({"b": 2.5} if i % 2 else {})}) for i in range(8)]
    (rule,) = rules(recognise(messages, Asked(SITE)))
    assert [reading.get("optional", False) for reading in rule["reading"]] == [False, True]
    assert tried(recognise(messages, Asked(SITE)).text, SITE, messages).unread_messages == 0


def test_two_fields_never_become_one_metric() -> None:
    readings = series_by([message("acme/works/m1/x", {"temp_C": 20.5, "temp_F": 68.5})])
    assert len(readings) == 2


def test_dialects_of_one_sample_get_a_subscription_each_the_particular_first() -> None:
    kepware = {"timestamp": AT_S * 1000, "values": [{"id": "Press.Count", "v": 17, "q": True, "t": AT_S * 1000}]}
    messages = [
        message("acme/scada/iot", kepware),
        message("acme/works/m1/x", {"a": 1.5}),
        message("acme/works/m2/x", {"a": 1.5}),
    ]
    subscriptions = tomllib.loads(recognise(messages, Asked(SITE)).text)["subscribe"]
    assert [one["format"] for one in subscriptions] == ["kepware", "json_rules"]
    assert tried(recognise(messages, Asked(SITE)).text, SITE, messages).unread_messages == 0


def test_nobody_is_asked_for_everything_there_is() -> None:
    topics = ["press/1/a", "oven/1/b", "oven/2/{x}/b", "saw"]
    messages = [message(topic, {"temp": 20.5}) for topic in topics]
    found = recognise(messages, Asked(SITE))
    asked_for = [one["topic"] for one in tomllib.loads(found.text)["subscribe"]]
    assert all(topic[0] not in "#+{" for topic in asked_for)
    assert tried(found.text, SITE, messages).unread_messages == 0


def test_no_subscription_takes_the_topics_of_another() -> None:
    values = [message(f"acme/m{i}/{metric}", 20.5 + i) for i in range(3) for metric in ("temp", "speed")]
    messages = [*values, message("acme/m1/json", {"a": 1.5}), message("acme/m2/json", {"a": 1.5})]
    found = recognise(messages, Asked(SITE))
    assert sorted(found.dialects) == ["json_rules", "json_value"]
    assert tried(found.text, SITE, messages).unread_messages == 0


def test_tags_that_are_no_gauges_get_a_rule() -> None:
    messages = [
        message("scada/press/iot", {"timestamp": None, "values": [
            {"id": "Press.Good_count", "v": i, "q": True, "t": (AT_S + i) * 1000},
            {"id": "Press.Temp", "v": 20.5 + i, "q": True, "t": (AT_S + i) * 1000},
            {"id": "Press.State", "v": ("run", "stop")[i % 2], "q": True, "t": (AT_S + i) * 1000},
        ]}, AT_S + i)
        for i in range(10)
    ]  # fmt: skip
    (subscription,) = tomllib.loads(recognise(messages, Asked(SITE)).text)["subscribe"]
    assert [(tag["name"], tag["kind"]) for tag in subscription["tag"]] == [
        ("Press.Good_count", "counter"),
        ("Press.State", "state"),
    ]
    assert subscription["time_unit"] == "ms"


# ---- the trial -------------------------------------------------------------------------------------------------------


def test_the_trial_tells_what_would_be_dead_letters_and_why() -> None:
    messages = [message("acme/works/m1/x", {"ts": AT_S, "a": 1.5})] * 9 + [message("acme/works/m1/x", b"{")]
    trial = tried(recognise(messages, Asked(SITE)).text, SITE, messages)
    assert (trial.messages, trial.unread_messages, trial.is_fit) == (10, 1, False)
    assert [(one.topic, one.messages) for one in trial.unread] == [("acme/works/m1/x", 1)]
    assert "not a JSON object" in trial.unread[0].reason


def test_the_trial_tells_times_that_cannot_be() -> None:
    late = {"ts": AT_S - 3 * 86_400, "a": 1.5}
    messages = [message("acme/works/m1/x", {"ts": AT_S, "a": 1.5})] * 9 + [message("acme/works/m1/x", late)]
    messages.append(message("acme/works/m1/x", {"ts": AT_S + 3_600, "a": 1.5}))
    trial = tried(recognise(messages, Asked(SITE)).text, SITE, messages)
    assert (trial.behind, trial.ahead) == (1, 1)


@pytest.mark.parametrize("name", ["a{b}{b}", "x[0]", "y*", "", 'q"uote', "tab\tname"])
def test_no_name_of_a_tag_makes_rules_that_cannot_be_used(name: str) -> None:
    values = [{"id": name, "v": f"{word}", "q": True, "t": AT_S * 1000} for word in ("on", "off")] * 3
    messages = [message("acme/works/iot", {"values": values})]
    tried(recognise(messages, Asked(SITE)).text, SITE, messages)


def test_what_no_format_recognises_would_be_a_dead_letter() -> None:
    messages = [message("acme/x", b"\x00\xff\x00")]
    found = recognise(messages, Asked(SITE))
    assert found.dialects == []
    assert "# no format recognises" in found.text
    assert not tried(found.text, SITE, messages).is_fit


def test_a_dialect_with_topics_of_its_own_is_subscribed_by_them() -> None:
    said = {"id": "C-1", "at": "2024-07-11T20:41:28Z", "item": "igbt", "quantity": 120}
    messages = [message("andon/v1/works/stock", said), message("andon/v1/works/movement", {**said, "quantity": -4})]
    found = recognise(messages, Asked(SITE))
    assert tomllib.loads(found.text)["subscribe"][0]["topic"] == "andon/v1/{site}/{signal}/#"
    trial = tried(found.text, SITE, messages)
    assert (trial.unread_messages, trial.signals) == (0, 2)


def test_rules_that_a_format_refuses_read_nothing_and_it_says_why() -> None:
    trial = tried('[[subscribe]]\ntopic = "a/b"\nformat = "json_rules"\nrule = []\n', SITE, [message("a/b", {"a": 1})])
    assert (trial.unread_messages, trial.is_fit) == (1, False)
    assert "has no rule; add a [[subscribe.rule]]" in trial.unread[0].reason


# ---- whatever arrives ------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
OBJECTS = st.dictionaries(
    st.sampled_from(("ts", "time", "id", "a_kg", "state", "x.y", "{z}", "line", "")), JSON, max_size=5
)
PAYLOADS = st.binary(max_size=40) | (JSON | OBJECTS).map(lambda said: json.dumps(said).encode())
TOPICS = st.sampled_from(
    ("a/b/c", "a/b/d", "a/b", "spBv1.0/g/NDATA/n", "a/{x}/c", "x", "/", "a/b/c/d/e/f/g")
) | st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=12)
MESSAGES = st.lists(
    st.builds(Message, TOPICS, PAYLOADS, st.sampled_from((0, AT_NS, AT_NS + NS_PER_S))), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(messages=MESSAGES, line=st.sampled_from(("", "m1")))
def test_whatever_arrives_the_rules_can_be_written_and_tried(messages: list[Message], line: str) -> None:
    for asked in (Asked(), Asked(SITE, line)):
        found = recognise(messages, asked)
        trial = tried(found.text, found.site, messages)
        assert 0 <= trial.unread_messages <= trial.messages == len(messages)


@pytest.mark.parametrize("name", recognisers())
@settings(max_examples=30, deadline=None)
@given(one=st.builds(Message, TOPICS, PAYLOADS, st.just(AT_NS)))
def test_a_dialect_says_of_any_message_how_surely_it_is_its_own(name: str, one: Message) -> None:
    assert 0 <= recognisers()[name].fits(one) <= 1


def test_any_other_dialect_goes_before_plain_objects() -> None:
    assert verdict([message("a/b", {"a": 1.5})]).dialect == "json_rules"
    shares = verdict([message("a/b", {"values": [{"id": "x", "v": 1}]})]).fits
    assert next(iter(shares)) == "kepware"


@settings(max_examples=100)
@given(st.text(), st.text())
def test_what_is_written_is_read_as_the_same(value: str, why: str) -> None:
    text = "".join(c for c in value if not "\ud800" <= c <= "\udfff")
    table = Table("[x]", [Key("a", text, why), Key("b", {"c": [1, True]}, why), Key("", why=why)])
    assert tomllib.loads(written([table])) == {"x": {"a": text, "b": {"c": [1, True]}}}
