"""What a person does about an alert, from the board or the command line, written into the log for the detectors."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from collector import schema
from collector.errors import AndonError
from collector.readings import NS_PER_S
from collector.spool.frames import Action, Control, control_frame
from collector.spool.spool import Spool
from detectors.alerts import Alert, State


class UnknownAlert(AndonError):
    """No alert of that id is in the spool."""


class EndedAlert(UnknownAlert):
    """The alert is over, or a newer occurrence has taken its place: there is nothing left to act on."""


class ActionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who does it, why, for shelving how long, and whether the alert was right. Raises ValueError on an empty name."""

    who: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S")]
    text: Annotated[str, msgspec.Meta(max_length=500)] = ""
    minutes: Annotated[float, msgspec.Meta(gt=0, le=10_080)] = 30.0
    verdict: Literal["", "true", "false"] = ""


def act(spool: Spool, action: Action, alert_id: str, request: ActionRequest) -> Control:
    """Appends the action at the site's time; durable on return. Raises UnknownAlert, EndedAlert, SpoolError.

    An alert that has ended takes comments until its next occurrence, and nothing else.
    """
    shard = _alert_to_act_on(spool, action, alert_id).shard
    at_ns = spool.log.clock_ns()
    until_ns = at_ns + int(request.minutes * 60 * NS_PER_S) if action is Action.SHELVE else 0
    control = Control(
        action, alert_id, request.who.strip(), at_ns, request.text.strip(), until_ns, verdict=request.verdict
    )
    with spool.transaction():
        spool.log.append([control_frame(shard, control)])
    return control


def _alert_to_act_on(spool: Spool, action: Action, alert_id: str) -> Alert:
    alerts = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(schema.ALERT_EVENT.name)]
    alert = next((one for one in alerts if one.alert_id == alert_id), None)
    if alert is None:
        raise UnknownAlert(f"no alert {alert_id!r} in {spool.path}; see `andon alerts list` or reload the board")
    if alert.state is not State.NORMAL:
        return alert
    newer = [one for one in alerts if one.key == alert.key and one.active_at_ns > alert.active_at_ns]
    if newer:
        newest = max(newer, key=lambda one: one.active_at_ns)
        raise EndedAlert(f"{alert_id} has ended and come again as {newest.alert_id}; act on that one")
    if action is not Action.COMMENT:
        raise EndedAlert(f"{alert_id} has ended, there is nothing left to {action}; you can still comment on it")
    return alert
