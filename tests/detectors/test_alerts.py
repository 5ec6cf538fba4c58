"""The life of an alert, as time lines: what a method says every 5 s, and the state after each look."""

from __future__ import annotations

import pytest

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control
from detectors.alerts import Alert, Observation, State, advance, apply_control
from detectors.rule import AlertRule

NAN = float("nan")
STEP_NS = 5 * NS_PER_S
SHORT = {
    State.NORMAL: "n",
    State.PENDING: "p",
    State.UNACKED: "U",
    State.ACKED: "A",
    State.RTN_UNACKED: "r",
    State.SHELVED: "s",
    State.SUPPRESSED: "x",
}


def quiet() -> Alert:
    return Alert(
        key="stuck:a/b:c",
        kind="stuck",
        subject="a/b:c",
        shard="a/b",
        series="a/b:c",
        severity=AlertLevel.WARNING,
        state=State.NORMAL,
    )


def rule(**settings: float) -> AlertRule:
    return AlertRule(method="stuck", severity=AlertLevel.CRITICAL, **settings)


def control(action: Action, at: int, *, until: int = 0) -> Control:
    return Control(action, "stuck:a/b:c@0", "kim", at * STEP_NS, until_ns=until * STEP_NS)


def play(rule: AlertRule, line: str, actions: dict[int, Control] | None = None) -> tuple[str, Alert]:
    """Plays a line of looks: `.` quiet, `!` active, `?` nothing known, `h` active but hidden by a planned stop."""
    alert, states = quiet(), ""
    for i, mark in enumerate(line):
        score = {".": 0.2, "!": 1.5, "?": NAN, "h": 1.5}[mark]
        hidden_by = "planned stop: night" if mark == "h" else ""
        alert = advance(rule, alert, Observation((i + 1) * STEP_NS, score, hidden_by=hidden_by))
        if actions and i in actions:
            alert = apply_control(alert, actions[i])
        states += SHORT[alert.state]
    return states, alert


@pytest.mark.parametrize(
    ("settings", "line", "states"),
    [
        ({}, "..!!..", "nnUUrr"),
        ({"for_s": 10}, "!!!!..", "ppUUrr"),
        ({"for_s": 10}, "!!..!!!", "ppnnppU"),
        ({"keep_firing_for_s": 10}, "!.!.....", "UUUUUrrr"),
        ({}, "!??.", "UUUr"),
        ({}, "??!", "nnU"),
        ({}, "hhh..", "xxxnn"),
        ({}, "hh!!.", "xxUUr"),
        ({}, "!hh!.", "UxxUr"),
        ({"repeat_after_s": 0}, "!.!!", "UrUU"),
        ({"repeat_after_s": 15}, "!.!!!!", "UrpUUU"),
        ({"repeat_after_s": 20}, "!.!...!", "Urpnn" + "nU"),
        ({"for_s": 10}, "hhhh!!!!", "ppxxxxUU"),
        ({"for_s": 10}, "hhhh!..", "ppxxxnn"),
        ({"keep_firing_for_s": 10}, "hh....", "xxxxnn"),
    ],
    ids=[
        "raised and cleared",
        "on-delay",
        "a flicker within the on-delay tells nobody",
        "off-delay against chattering",
        "silence never resolves",
        "silence never raises",
        "a planned stop hides it from first to last",
        "it is shown when the planned stop ends",
        "it is hidden when a planned stop begins",
        "it comes again before anyone saw it go",
        "what comes again at once waits for the end of the hold",
        "and tells nobody when it is gone by then",
        "the on-delay runs again when the planned stop ends",
        "what ends soon after the planned stop tells nobody",
        "what is clearing when the planned stop ends tells nobody",
    ],
)
def test_states_follow_the_score(settings: dict[str, float], line: str, states: str) -> None:
    assert play(rule(**settings), line)[0] == states


@pytest.mark.parametrize(
    ("line", "actions", "states"),
    [
        ("!!!..", {1: control(Action.ACK, 2)}, "UAAnn"),
        ("!!...", {3: control(Action.ACK, 4)}, "UUrnn"),
        ("!!!!!", {1: control(Action.SHELVE, 2, until=4)}, "UssUU"),
        ("!!!..", {1: control(Action.SHELVE, 2, until=9)}, "Ussnn"),
        ("!!!!!", {1: control(Action.SHELVE, 2, until=9), 3: control(Action.UNSHELVE, 4)}, "UssUU"),
        ("..", {1: control(Action.ACK, 2)}, "nn"),
    ],
    ids=[
        "acknowledged, then cleared",
        "acknowledged after it cleared",
        "shelved until an instant",
        "cleared while shelved",
        "taken off the shelf",
        "nothing to acknowledge",
    ],
)
def test_states_follow_people(line: str, actions: dict[int, Control], states: str) -> None:
    assert play(rule(), line, actions)[0] == states


def test_an_action_keeps_who_and_when() -> None:
    _, alert = play(rule(), "!!", {1: control(Action.ACK, 2)})
    assert (alert.acked_by, alert.acked_at_ns) == ("kim", 2 * STEP_NS)
    assert [comment.who for comment in alert.comments] == ["kim"]


def test_a_new_occurrence_has_a_new_name_and_no_owner() -> None:
    _, first = play(rule(), "!", {0: control(Action.ACK, 1)})
    _, second = play(rule(), "!..!", {0: control(Action.ACK, 1)})
    assert first.alert_id != second.alert_id
    assert second.key == first.key
    assert second.acked_by == ""


def test_the_peak_is_kept() -> None:
    alert = quiet()
    for i, score in enumerate((1.2, 3.0, 1.1), start=1):
        alert = advance(rule(), alert, Observation(i * STEP_NS, score))
    assert (alert.score, alert.peak_score) == (1.1, 3.0)


def test_acknowledged_and_hidden_comes_back_as_acknowledged() -> None:
    states, _ = play(rule(), "!!hh!", {1: control(Action.ACK, 2)})
    assert states == "UAxxA"


@pytest.mark.parametrize("who", ["", "  "])
def test_nobody_cannot_act(who: str) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        Control(Action.ACK, "x", who, 1)


def test_shelving_needs_an_end() -> None:
    with pytest.raises(ValueError, match="end in the future"):
        Control(Action.SHELVE, "x", "kim", at_ns=5, until_ns=5)
