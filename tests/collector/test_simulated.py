"""The simulated plant: same file, same bytes; nothing appears from nowhere; every fault shows, and only where it is."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from statistics import fmean

import msgspec
import pytest

from collector.readings import NS_PER_S
from collector.sources.recording import Published
from collector.sources.simulated import Plant, ScenarioError, Truth

NEV_DRIVE = Path(__file__).parents[2] / "deploy" / "sites" / "nev_drive" / "plant.toml"

PLANT = """
[plant]
enterprise = "nev"
start = 2026-03-02T08:00:00
duration_s = 7200
seed = {seed}
[[site]]
name = "s"
publishes = "json"
[[site.line]]
name = "one"
takt_s = 20
[[site.line.item]]
name = "rotor"
per_unit = 2
stock = 200
reorder_point = 170
order_quantity = 200
lead_time_s = 1500
lead_time_spread_ratio = 0.02
[[site.line]]
name = "two"
takt_s = 24
micro_stop_every_s = 600
"""


class Shown:
    """A plant played to its end: per line what its two cells sent, as (at_ns, fields)."""

    def __init__(self, plant: Plant) -> None:
        self.start_ns = plant.start_ns
        self.truth = plant.truth()
        self.sent: dict[str, list[tuple[int, dict[str, float]]]] = {}
        for at_ns, topic, payload in plant.messages():
            self.sent.setdefault(topic, []).append((at_ns, msgspec.json.decode(payload)))

    def line(
        self, from_s: float = 0, to_s: float = 7200, *, line: str = "one", cell: str = "line"
    ) -> list[dict[str, float]]:
        from_ns, to_ns = (self.start_ns + int(s * NS_PER_S) for s in (from_s, to_s))
        return [fields for at_ns, fields in self.sent[f"nev/s/{line}/{cell}"] if from_ns <= at_ns < to_ns]

    def made(self, from_s: float, to_s: float, field: str = "good") -> float:
        values = [fields[field] for fields in self.line(from_s, to_s)]
        return values[-1] - values[0]


def plant(folder: Path, *faults: str, seed: int = 1, text: str = PLANT) -> Plant:
    """The plant above; a fault is `name, keys` and starts at 09:00 on line one unless its keys say otherwise."""
    tables = (f'[[fault]]\nsite = "s"\nline = "one"\nstart = 2026-03-02T09:00:00\n{fault}\n' for fault in faults)
    path = folder / "plant.toml"
    path.write_text(text.format(seed=seed) + "".join(tables), encoding="utf-8")
    return Plant.load(path)


def fault(name: str, duration_s: int = 1200, **keys: float | str) -> str:
    values = "".join(f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in keys.items())
    return f'name = "{name}"\nduration_s = {duration_s}\n{values}'


def digest(messages: list[Published]) -> str:
    return hashlib.sha256(repr(messages).encode()).hexdigest()


def stops(truth: Truth, why: str) -> list[tuple[float, float]]:
    return [
        ((stop.from_ns - truth.start_ns) / NS_PER_S, (stop.to_ns - truth.start_ns) / NS_PER_S)
        for stop in truth.stops
        if stop.line == "one" and stop.why == why
    ]


# --- promises of every run ---


def test_the_same_file_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = plant(tmp_path)
    once = digest(list(first.messages()))
    assert digest(list(first.messages())) == once
    assert digest(list(plant(tmp_path).messages())) == once
    assert digest(list(plant(tmp_path, seed=2).messages())) != once


def test_messages_come_in_order_of_time_inside_the_run() -> None:
    played = Plant.load(NEV_DRIVE)
    times = [message.at_ns for message in played.messages()]
    assert times == sorted(times)
    assert played.start_ns <= times[0]
    assert times[-1] < played.end_ns


def test_what_is_used_is_what_was_made_times_the_bill_of_materials() -> None:
    truth = Plant.load(NEV_DRIVE).truth()
    made = {(line.site, line.line): line.produced for line in truth.lines}
    per_unit = {"igbt_module": 3, "sic_module": 3, "bearing": 2}
    assert len(truth.items) == 16
    for one in truth.items:
        assert one.used == made[one.site, one.line] * per_unit.get(one.item, 1)
        assert one.last == one.first + one.delivered - one.used >= 0


def test_every_report_balances_counters_and_stock(tmp_path: Path) -> None:
    shown = Shown(plant(tmp_path))
    for line, store in zip(shown.line(), shown.line(cell="store"), strict=True):
        delivered = store["stock_rotor"] - 200 + 2 * (line["good"] + line["scrap"])
        assert delivered % 200 == 0
        assert delivered >= 0


def test_counters_and_truth_agree_at_the_end() -> None:
    """nev_drive's shift ends a quarter of an hour before the run, so the last report tells all."""
    played = Plant.load(NEV_DRIVE)
    last = {message.topic: message.payload for message in played.messages() if message.topic.startswith("nev/")}
    for line in played.truth().lines:
        if line.site == "suzhou":
            fields = msgspec.json.decode(last[f"nev/suzhou/{line.line}/line"])
            assert (fields["good"] + fields["scrap"], fields["scrap"]) == (line.produced, line.scrapped)


def test_truth_is_json(tmp_path: Path) -> None:
    truth = plant(tmp_path, fault("line_stop")).truth()
    assert msgspec.json.decode(msgspec.json.encode(truth), type=Truth) == truth


def test_micro_stops_are_short_and_told(tmp_path: Path) -> None:
    found = [stop for stop in plant(tmp_path).truth().stops if stop.line == "two"]
    assert len(found) >= 5
    assert all(stop.why == "micro_stop" and not stop.planned for stop in found)
    assert all(15 * NS_PER_S <= stop.to_ns - stop.from_ns <= 50 * NS_PER_S for stop in found)


def test_no_production_outside_shifts_and_in_planned_stops(tmp_path: Path) -> None:
    calendar = """
[[shift]]
name = "short"
start = 08:30:00
end = 09:30:00
[[planned_stop]]
reason = "break"
start = 2026-03-02T09:00:00
end = 2026-03-02T09:10:00
line = "one"
"""
    shown = Shown(plant(tmp_path, text=PLANT + calendar))
    assert stops(shown.truth, "outside shifts") == [(0, 1800), (5400, 7200)]
    assert stops(shown.truth, "break") == [(3600, 4200)]
    for from_s, to_s in ((0, 1800), (3600, 4200), (5400, 7200)):
        assert shown.made(from_s, to_s) == 0
        assert {fields["state"] for fields in shown.line(from_s + 1, to_s)} == {"planned"}
    assert all(stop.planned for stop in shown.truth.stops if stop.why != "micro_stop")


# --- faults ---


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(plant(tmp_path_factory.mktemp("healthy")))


EVERY_FAULT = [
    fault("supplier_late", item="rotor", delay_s=1500),
    fault("supplier_stops", item="rotor"),
    fault("tool_wear"),
    fault("line_stop"),
    fault("sensor_stuck", metric="vibration"),
    fault("gateway_silent"),
    fault("clock_jump", offset_s=60),
    fault("scrap_burst", scrap_ratio=0.5),
]


@pytest.mark.parametrize("text", EVERY_FAULT, ids=lambda text: text.split('"')[1])
def test_a_fault_is_in_the_truth_and_changes_nothing_before_it_or_elsewhere(
    tmp_path: Path, healthy: Shown, text: str
) -> None:
    shown = Shown(plant(tmp_path, text))
    (span,) = shown.truth.faults
    assert (span.fault, span.site, span.line) == (text.split('"')[1], "s", "one")
    assert (span.from_ns - shown.start_ns, span.to_ns - shown.start_ns) == (3600 * NS_PER_S, 4800 * NS_PER_S)
    assert shown.line(0, 3600) == healthy.line(0, 3600)
    assert shown.line(line="two") == healthy.line(line="two")
    assert shown.sent != healthy.sent


@pytest.mark.parametrize(
    ("text", "refilled_after_s"),
    [(fault("supplier_late", item="rotor", delay_s=1500), 1500), (fault("supplier_stops", item="rotor"), 0)],
    ids=["supplier_late", "supplier_stops"],
)
def test_a_line_without_a_component_stops_until_it_comes(
    tmp_path: Path, healthy: Shown, text: str, refilled_after_s: int
) -> None:
    assert healthy.truth.empties == ()
    shown = Shown(plant(tmp_path, text))
    (empty,) = shown.truth.empties
    empty_s, refilled_s = ((at - shown.start_ns) / NS_PER_S for at in (empty.empty_at_ns, empty.refilled_at_ns))
    assert stops(shown.truth, "starved") == [(empty_s, refilled_s)]
    assert 3600 + refilled_after_s <= refilled_s
    starving = shown.line(empty_s, refilled_s)
    assert len(starving) > 10
    assert {fields["state"] for fields in starving} == {"starved"}
    assert len({fields["good"] for fields in starving}) == 1
    assert {fields["stock_rotor"] for fields in shown.line(empty_s, refilled_s, cell="store")} == {0}
    assert shown.made(refilled_s, refilled_s + 300) > 10


def test_an_item_still_missing_at_the_end_is_never_refilled(tmp_path: Path) -> None:
    (empty,) = plant(tmp_path, fault("supplier_stops", duration_s=9000, item="rotor")).truth().empties
    assert empty.refilled_at_ns == 0


def test_line_stop_shows_a_standing_line(tmp_path: Path) -> None:
    shown = Shown(plant(tmp_path, fault("line_stop", why="jam")))
    assert stops(shown.truth, "jam") == [(3600, 4800)]
    assert {fields["state"] for fields in shown.line(3601, 4800)} == {"stopped"}
    assert shown.made(3600, 4800) == 0
    assert fmean(fields["vibration"] for fields in shown.line(3601, 4800)) < 0.5


def test_tool_wear_grows_until_the_tool_is_changed(tmp_path: Path, healthy: Shown) -> None:
    shown = Shown(plant(tmp_path, fault("tool_wear", 2400, vibration_gain=3.0, slowdown_ratio=0.5, scrap_ratio=0.3)))
    spans = ((3600, 4200), (5400, 6000), (6010, 7200))
    early, late, after = (fmean(fields["vibration"] for fields in shown.line(*span)) for span in spans)
    assert early * 1.5 < late
    assert after < early
    assert shown.made(3600, 6000) < 0.9 * healthy.made(3600, 6000)
    assert shown.made(3600, 6000, "scrap") > healthy.made(3600, 6000, "scrap") + 5


def test_scrap_burst_spoils_its_share(tmp_path: Path) -> None:
    shown = Shown(plant(tmp_path, fault("scrap_burst", 2400, scrap_ratio=0.5)))
    scrap, good = shown.made(3600, 6000, "scrap"), shown.made(3600, 6000)
    assert 0.35 < scrap / (scrap + good) < 0.65
    assert shown.made(6010, 7200, "scrap") <= 3


def test_a_stuck_sensor_shows_one_value_and_the_others_live(tmp_path: Path) -> None:
    shown = Shown(plant(tmp_path, fault("sensor_stuck", metric="temperature")))
    assert len({fields["temperature"] for fields in shown.line(3600, 4800)}) == 1
    assert len({fields["vibration"] for fields in shown.line(3600, 4800)}) > 100
    assert len({fields["temperature"] for fields in shown.line(4800, 7200)}) > 100


def test_a_stuck_stock_hides_what_is_used(tmp_path: Path, healthy: Shown) -> None:
    shown = Shown(plant(tmp_path, fault("sensor_stuck", metric="stock_rotor")))
    assert len({fields["stock_rotor"] for fields in shown.line(3600, 4800, cell="store")}) == 1
    assert shown.line(4800, cell="store") == healthy.line(4800, cell="store")


def test_a_clock_jump_shows_in_the_timestamps_only(tmp_path: Path, healthy: Shown) -> None:
    shown = Shown(plant(tmp_path, fault("clock_jump", offset_s=-90)))
    for (at_ns, fields), (true_ns, true) in zip(
        shown.sent["nev/s/one/line"], healthy.sent["nev/s/one/line"], strict=True
    ):
        jumped = 3600 * NS_PER_S <= at_ns - shown.start_ns < 4800 * NS_PER_S
        assert at_ns == true_ns
        assert fields == true | {"ts": true["ts"] - 90_000 * jumped}


def test_a_silent_gateway_hides_a_line_that_goes_on(tmp_path: Path, healthy: Shown) -> None:
    shown = Shown(plant(tmp_path, fault("gateway_silent")))
    assert shown.line(3600, 4800) == shown.line(3600, 4800, cell="store") == []
    assert shown.line(4800) == healthy.line(4800)
    assert shown.truth.lines == healthy.truth.lines


def test_a_silence_between_two_reports_still_ends_a_sparkplug_session(tmp_path: Path) -> None:
    blink = fault("gateway_silent", 2).replace("09:00:00", "09:00:03")
    sent = list(plant(tmp_path, blink.replace("T09:00:00", "T09:00:03"), text=SPARKPLUG).messages())
    kinds = [message.topic.split("/")[2] for message in sent if message.topic.split("/")[2] != "DDATA"]
    assert kinds == ["NBIRTH", "DBIRTH", "DBIRTH", "NDEATH", "NBIRTH", "DBIRTH", "DBIRTH"]


SPARKPLUG = PLANT.replace('"json"', '"sparkplug_b"').split('[[site.line]]\nname = "two"')[0]


# --- bad scenarios ---


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("takt_s = 20", 'takt_s = "slow"', "`site[0].line[0].takt_s`: expected `float`, got `str`; correct the value"),
        ("takt_s = 20", "takt_s = 0", "`site[0].line[0].takt_s`: expected `float` > 0.0; correct the value"),
        ("takt_s = 20", "", "`site[0].line[0]`: object missing required field `takt_s`; add it"),
        ("seed", "sead", "`plant`: object contains unknown field `sead`; remove or rename it"),
        ("start = 2026-03-02T08:00:00", "start = 8", "`plant.start`: expected `datetime`, got `int`"),
        ('"json"', '"opc"', "`site[0].publishes`: invalid enum value 'opc'; correct the value"),
        ("[[site]]", "[[plants]]", "unknown section `plants`; there are plant, shift, planned_stop, site, fault"),
        ("[plant]", "[plant", "not valid TOML"),
        (
            "duration_s = 7200",
            'duration_s = 7200\ntimezone = "Mars/Base"',
            "`plant.timezone`: no time zone 'Mars/Base'",
        ),
        ('name = "two"', 'name = "one"', "`site[0].line[1]`: line 'one' stands twice in site 's'; rename one"),
        ('name = "two"', 'name = "a/b"', "`site[0].line[1]`: equipment name 'a/b' holds one of"),
    ],
)
def test_a_bad_scenario_is_refused_with_file_key_and_remedy(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        plant(tmp_path, text=PLANT.replace(old, new, 1))
    assert str(refused.value).startswith(f"{tmp_path / 'plant.toml'}: ")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (fault("fire"), "`fault[0].name`: no fault 'fire'; there are supplier_late, supplier_stops, tool_wear"),
        (fault("line_stop").replace("1200", "0"), "`fault[0].duration_s`: expected `float` > 0.0"),
        (fault("line_stop", item="rotor"), "`fault[0]`: object contains unknown field `item`"),
        (fault("supplier_late", item="rotor"), "`fault[0]`: object missing required field `delay_s`"),
        (fault("supplier_stops", item="gold"), "`fault[0].item`: no item 'gold' on line one; there are rotor"),
        (fault("sensor_stuck", metric="mood"), "`fault[0].metric`: no sensor 'mood' on line one; there are vibration"),
    ],
)
def test_a_bad_fault_is_refused_with_what_there_is(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        plant(tmp_path, text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('line = "one"', 'line = "six"', "`fault[0].line`: no line s/six; there are s/one, s/two"),
        ("T09:00", "T22:00", "`fault[0].start`: 2026-03-02 22:00:00 is outside the run"),
    ],
)
def test_a_fault_outside_the_plant_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = fault("line_stop")
    path = tmp_path / "plant.toml"
    table = f'[[fault]]\nsite = "s"\nline = "one"\nstart = 2026-03-02T09:00:00\n{text}'.replace(old, new)
    path.write_text(PLANT.format(seed=1) + table, encoding="utf-8")
    with pytest.raises(ScenarioError) as refused:
        Plant.load(path)
    assert sentence in str(refused.value)


def test_a_missing_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere.toml: no such file; name a plant.toml"):
        Plant.load(tmp_path / "nowhere.toml")


def test_pairs_of_reports_are_ten_seconds_apart(healthy: Shown) -> None:
    times = [at_ns for at_ns, _ in healthy.sent["nev/s/one/line"]]
    assert {after - before for before, after in itertools.pairwise(times)} == {10 * NS_PER_S}
