"""The page: readable without script, whole without internet, and nothing a topic can say becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from collector.spool.spool import Spool
from dashboards.live.app import STATIC
from dashboards.live.html import Html, data_script, el
from dashboards.live.page import PANELS, document, parts
from dashboards.live.state import (
    AlertView,
    ArcView,
    BoardState,
    ExposureView,
    LineState,
    LineView,
    NodeView,
    Output,
    Segment,
    StockView,
)
from dashboards.live.view import View
from dashboards.live.words import Names, Times, amount, duration, evidence, number, span, told
from detectors.alerts import Comment
from tests.dashboards.live_plant import T0_NS, LivePlant, a_morning, shortage

EVIL = "<script>alert('x')</script>\"'&</script><img src=x onerror=alert(1)>"
OWN_FILES = ("board.css", "board.js", "charts.js", "morph.js", "actions.js")


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(markup: str) -> Seen:
    parser = Seen()
    parser.feed(markup)
    return parser


def morning(folder: Path) -> BoardState:
    plant = LivePlant(folder / "spool.sqlite")
    a_morning(plant)
    plant.close()
    with Spool.open(folder / "spool.sqlite") as spool:
        view = View(spool, title="Teaching factory", timezone="Europe/Berlin")
        while view.refresh():
            pass
        return view.state()


def hostile() -> BoardState:
    """Every text on the board is an attack."""
    alert = shortage(
        0,
        key=EVIL,
        kind=EVIL,
        subject=EVIL,
        evidence={EVIL: EVIL, "n": 1.0},
        consequence=EVIL,
        response=EVIL,
        acked_by=EVIL,
        comments=(Comment(EVIL, T0_NS, EVIL),),
    )
    strip = (Segment(LineState.PLANNED, T0_NS, T0_NS + 10**9, EVIL),)
    band = Output(T0_NS, 1.0, 2.0, 3.0, 4.0)
    return BoardState(
        title=EVIL,
        timezone="UTC",
        notices=(EVIL,),
        lines=(LineView(key=EVIL, line=EVIL, metric=EVIL, state=LineState.LOW, since_ns=0, output=band, strip=strip),),
        stocks=(StockView(series=EVIL, line=EVIL, unit=EVIL, on_hand=1, most=1, at_ns=T0_NS),),
        alerts=(AlertView(alert=alert, ack_sent_by=EVIL),),
        set_aside=(AlertView(alert=alert),),
        returned=(AlertView(alert=alert),),
        nodes=(NodeView(node=EVIL, kind=EVIL, title=EVIL, subtitle=EVIL, risk=1.0),),
        arcs=(ArcView(source=EVIL, target=EVIL, material=EVIL, risk=1.0),),
        exposures=(ExposureView(node=EVIL, material=EVIL, best_action=EVIL, causes=(alert.key,), stops=(EVIL,)),),
    )


def test_hostile_names_stay_text_everywhere():
    state = hostile()
    page = seen(document(state, parts(state)))
    assert page.tags.count("script") == 3, "the two own files and the charts' data, no more"
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert") > 10, "they are shown as they are"


def test_data_for_charts_cannot_end_its_own_script():
    block = data_script("charts", msgspec.json.encode({EVIL: EVIL}))
    assert block.count("</script>") == 1
    inner = block.partition(">")[2].rpartition("</script>")[0]
    assert msgspec.json.decode(inner) == {EVIL: EVIL}


def test_markup_is_only_made_by_el():
    assert el("p", "<b>", Html("<b>"), class_="x", data_key='"', hidden=False, open=True, width=0) == (
        '<p class="x" data-key="&quot;" open width="0">&lt;b&gt;<b></p>'
    )


def test_the_first_page_can_be_read_without_any_script(tmp_path):
    state = morning(tmp_path)
    page = seen(document(state, parts(state)))
    for said in (
        "Which alerts are open?",
        "Shortage",
        "Unacknowledged",
        "Nobody has it yet",
        "Refill the dispenser.",
        "bottling stops at 13:44",
        "919",
        "expected 780 to 980",
        "blue · fill level",
        "3 min 20 s to 5 min 50 s, at 13:44",
        "survives 4 min 10 s",
        "Refill blue from the rig store",
        "Owner: Li Wei",
    ):
        assert said in page.text, said


def test_every_question_has_its_panel_and_its_place():
    assert [name for name, _ in PANELS] == ["alerts", "lines", "stocks", "chain"]
    assert all(panel.QUESTION.endswith("?") for _, panel in PANELS)
    css = (STATIC / "board.css").read_text()
    assert all(f"#panel-{name}" in css for name, _ in PANELS)


def test_a_panel_says_so_when_it_has_nothing():
    state = BoardState(title="Empty", timezone="UTC")
    text = seen(document(state, parts(state))).text
    for said in ("None.", "No line has sent", "No stock is measured", "has not been computed"):
        assert said in text


def test_nothing_is_asked_from_elsewhere(tmp_path):
    state = morning(tmp_path)
    page = document(state, parts(state))
    texts = [page, *((STATIC / name).read_text() for name in OWN_FILES)]
    for text in texts:
        assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import|url\((?!#)", text)
    links = [value for name, value in seen(page).attributes if name in ("src", "href")]
    assert links
    assert all(value and (STATIC / value.removeprefix("/static/")).is_file() for value in links)


def test_the_chart_library_is_kept_with_its_licence():
    assert "v1.6.32" in (STATIC / "uPlot.iife.min.js").read_text()[:200]
    assert "MIT License" in (STATIC / "uPlot.LICENSE").read_text()


def test_colour_is_never_alone(tmp_path):
    """Every severity and every line state is a shape and a word too."""
    state = morning(tmp_path)
    pieces = parts(state)
    assert 'class="mark critical calls"' in pieces["part-alerts"]
    assert "critical</span>" in pieces["part-alerts"]
    assert pieces["part-alerts"].count("calls") == 1, "only what nobody has acknowledged blinks"
    for line_state in LineState:
        assert f"</svg>{line_state}</li>" in pieces["part-lines"]


def test_pieces_change_only_when_what_they_show_does(tmp_path):
    state = morning(tmp_path)
    before = parts(state)
    assert parts(state) == before
    shown = msgspec.structs.replace(state, stocks=())
    assert {name for name, text in parts(shown).items() if text != before[name]} == {"part-stocks"}


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *((ink, ground) for ink in ("ink", "ink-soft") for ground in ("panel", "inset", "ground")),
        ("on-critical", "critical"),
        ("on-warning", "warning"),
        ("on-top", "top"),
        ("on-top-soft", "top"),
    ],
)
def test_text_has_a_contrast_of_4_5_at_least(ink, ground):
    """WCAG 2.2, 1.4.3."""
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", (STATIC / "board.css").read_text()))
    light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("span_s", "said"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (59.9, "1 min"),
        (162, "2 min 40 s"),
        (240, "4 min"),
        (4800, "80 min"),
        (7200, "2 h"),
        (86400 * 3.2, "3.2 d"),
        (-60, "−1 min"),
    ],
)
def test_durations_are_short(span_s, said):
    assert duration(span_s) == said


def test_an_interval_says_its_unit_once():
    assert (span(1980, 2760), span(2000, 2010), span(2400, 7200)) == ("33 to 46 min", "33 to 34 min", "40 min to 2 h")
    assert span(2400, 2401) == "40 min"


def test_a_time_without_end_is_said_so():
    assert duration(float("inf")) == "no end"


def test_numbers_carry_their_units():
    assert [number(value) for value in (None, 1234.5, 3.14159, 12.0)] == ["–", "1,234", "3.14", "12"]
    assert (amount(21.46, "Cel"), amount(3.0, "1"), amount(96.0, "g")) == ("21.5 °C", "3", "96 g")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("time_to_empty_s", 240.0, ("Time to empty", "4 min")),
        ("use_per_h", 1440.0, ("Use", "1,440 /h")),
        ("usual_change_ratio", 0.07, ("Usual change", "7 %")),
        ("stopped_since_s", T0_NS / 1e9, ("Stopped since", "10:00:00")),
        ("cover_d", 0.5, ("Cover", "12 h")),
        ("recipe", "red", ("Recipe", "red")),
        ("refilled", True, ("Refilled", "yes")),
        ("on_hand", 96.0, ("On hand", "96")),
    ],
)
def test_evidence_is_told_by_the_unit_its_name_wears(name, value, said):
    assert evidence(name, value, Times("UTC", T0_NS)) == said


def test_an_amount_and_its_unit_are_one_piece_of_evidence():
    found = {"stock": 261.0, "stock_unit": "g", "unit": "lonely"}
    assert told(found, Times("UTC", T0_NS)) == [("Stock", "261 g"), ("Unit", "lonely")]


def test_names_are_as_short_as_they_can_be():
    one = Names(["plant/bottling"])
    assert (one.of("plant/bottling/red:fill_level"), one.of("plant/bottling")) == ("red · fill level", "bottling")
    two = Names(["plant/a", "plant/b"])
    assert two.of("plant/a/store:stock_rotor") == "a/store · stock rotor"
    assert Names(["x/a", "y/b"]).of("x/a/store:m") == "x/a/store · m"


def test_severities_are_counted_in_the_header(tmp_path):
    state = morning(tmp_path)
    assert "1 critical, 1 warning, 1 unacknowledged" in parts(state)["part-pulse"]
