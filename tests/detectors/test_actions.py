"""What people do about an alert: written into the log, or refused in a sentence when it would come to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control, FrameKind
from collector.spool.spool import Spool
from detectors.actions import ActionRequest, EndedAlert, UnknownAlert, act
from detectors.alerts import Alert, State
from detectors.outputs import event_output

KIM = ActionRequest("kim")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def say(spool: Spool, state: State, at_s: int = 100) -> str:
    alert = Alert(
        key="stuck:s/l/c:m",
        kind="stuck",
        subject="s/l/c:m",
        shard="s/l",
        series="s/l/c:m",
        severity=AlertLevel.WARNING,
        state=state,
        active_at_ns=at_s * NS_PER_S,
    )
    said = event_output(alert)
    with spool.transaction():
        spool.log.say("s/l", said.output_id, said.record)
    return alert.alert_id


@pytest.mark.parametrize("state", [State.UNACKED, State.RTN_UNACKED, State.SUPPRESSED])
def test_what_is_not_over_can_be_acknowledged(spool: Spool, state: State) -> None:
    alert_id = say(spool, state)
    act(spool, Action.ACK, alert_id, KIM)
    (frame,) = spool.log.read(0, 10, kinds=(FrameKind.CONTROL,))
    assert isinstance(frame.body, Control)
    assert (frame.body.alert_id, frame.shard) == (alert_id, "s/l")


@pytest.mark.parametrize("action", [Action.ACK, Action.SHELVE, Action.UNSHELVE])
def test_an_alert_that_is_over_takes_nothing_but_comments(spool: Spool, action: Action) -> None:
    alert_id = say(spool, State.NORMAL)
    with pytest.raises(EndedAlert) as refused:
        act(spool, action, alert_id, KIM)
    assert str(refused.value) == f"{alert_id} has ended, there is nothing left to {action}; you can still comment on it"
    assert spool.log.read(0, 10, kinds=(FrameKind.CONTROL,)) == []
    act(spool, Action.COMMENT, alert_id, ActionRequest("kim", "it was the belt"))


@pytest.mark.parametrize("action", list(Action))
def test_an_occurrence_that_was_replaced_names_the_one_that_stands(spool: Spool, action: Action) -> None:
    old = say(spool, State.NORMAL)
    new = say(spool, State.UNACKED, at_s=200)
    with pytest.raises(EndedAlert, match=f"{old} has ended and come again as {new}; act on that one"):
        act(spool, action, old, KIM)


def test_an_alert_nobody_knows_is_refused(spool: Spool) -> None:
    with pytest.raises(UnknownAlert, match="no alert 'stuck:x@1' in"):
        act(spool, Action.ACK, "stuck:x@1", KIM)
