"""Open alerts, worst first: what is wrong, why it is believed, what it costs, what to do, who has it."""

from __future__ import annotations

from dashboards.live.html import Html, el
from dashboards.live.marks import level_mark
from dashboards.live.state import AlertView, BoardState, ExposureView
from dashboards.live.words import Names, Times, days, number, plain, spoken, told
from detectors.alerts import Alert, State

PLACE = 1
QUESTION = "Which alerts are open?"


def render(state: BoardState, times: Times) -> Html:
    names = Names(state.shards())
    return el(
        "div",
        el("ol", (_open_alert(view, state.exposures, names, times) for view in state.alerts), class_="alerts"),
        None if state.alerts else el("p", "None. The lines below say whether that is good news.", class_="quiet"),
        _folded("Held back by the alarm budget", _held_back(state.set_aside), names, times),
        _folded("Shelved or suppressed", _others(state.set_aside), names, times),
        _folded("Back to normal", state.returned, names, times),
    )


def only(state: BoardState, alert_id: str, times: Times) -> Html:
    """One alert by its id: as it stands open, or a sentence on what became of it."""
    names = Names(state.shards())
    for view in state.alerts:
        if view.alert.alert_id == alert_id:
            return el("ol", _open_alert(view, state.exposures, names, times), class_="alerts")
    for view in (*state.set_aside, *state.returned):
        if view.alert.alert_id == alert_id:
            return el("p", f"{_short(view.alert, names, times)}.", class_="quiet")
    return el(
        "p", "This alert is not open on this board. It may have ended, or belong to another site.", class_="quiet"
    )


def _held_back(views: tuple[AlertView, ...]) -> tuple[AlertView, ...]:
    return tuple(view for view in views if view.alert.needed_score)


def _others(views: tuple[AlertView, ...]) -> tuple[AlertView, ...]:
    return tuple(view for view in views if not view.alert.needed_score)


def _open_alert(view: AlertView, exposures: tuple[ExposureView, ...], names: Names, times: Times) -> Html:
    alert = view.alert
    unacked = alert.state is not State.ACKED
    return el(
        "li",
        el(
            "div",
            level_mark(alert.severity, calls=unacked),
            el("h3", spoken(alert.kind)),
            el("span", str(alert.severity), class_=f"level {alert.severity}"),
            class_="head",
        ),
        el("p", names.of(alert.subject), class_="subject", title=alert.subject),
        el("p", _standing(view, times), class_="standing"),
        None if alert.state is State.RTN_UNACKED else _meaning(alert, exposures, times),
        (_comment(comment.who, comment.at_ns, comment.text, times) for comment in alert.comments[-3:]),
        _actions(alert, acked=not unacked),
        class_=f"alert {alert.severity} {'unacked' if unacked else 'acked'}",
        data_key=alert.alert_id,
    )


def _meaning(alert: Alert, exposures: tuple[ExposureView, ...], times: Times) -> list[Html | None]:
    """Why it is believed, what it costs, what to do: while it lasts."""
    return [
        _evidence(alert, times),
        _sentence("Not known since", times.clock(alert.stale_since_ns)) if alert.stale_since_ns else None,
        _sentence("Consequence", alert.consequence),
        *(_loss(exposure, times) for exposure in exposures if alert.key in exposure.causes),
        _sentence("Response", alert.response),
    ]


def _standing(view: AlertView, times: Times) -> tuple[Html, str]:
    """State, age and owner, in that order."""
    alert = view.alert
    since = f" for {times.ago(alert.fired_at_ns)}, since {times.clock(alert.fired_at_ns)}."
    if alert.state is State.RTN_UNACKED:
        since = f" since {times.clock(alert.resolved_at_ns)}; raised {times.clock(alert.fired_at_ns)}."
    if alert.acked_by:
        since += f" Owner: {alert.acked_by}."
    elif view.ack_sent_by:
        since += f" Acknowledgement by {view.ack_sent_by} is on its way."
    else:
        since += " Nobody has it yet."
    return el("strong", spoken(alert.state)), since


def _evidence(alert: Alert, times: Times) -> Html | None:
    pieces = told(alert.evidence, times)
    if not pieces and alert.value is not None:
        pieces = [("Value", number(alert.value)), ("Expected", number(alert.expected))]
    pairs = (el("div", el("dt", what), el("dd", how_much)) for what, how_much in pieces)
    return el("dl", pairs, class_="evidence") if pieces else None


def _sentence(name: str, text: str) -> Html | None:
    return el("p", el("b", f"{name}: "), text) if text else None


def _loss(exposure: ExposureView, times: Times) -> Html:
    """Who stops and when by this alert, what the chain loses, and the best action left."""
    stops = f"stops at {times.minute(exposure.stops_at * 1_000_000)}" if exposure.stops_at else "does not stop yet"
    material = plain(exposure.material) or "supply"
    said = f"{plain(exposure.node)} {stops}, {days(exposure.days_of_supply_d)} of {material} left"
    if exposure.lost_per_d:
        said += f", then loses {number(exposure.lost_per_d)} a day"
    then = f" Then {plain(', '.join(exposure.stops))}." if exposure.stops else ""
    best = f" Best: {exposure.best_action.rstrip('.')}." if exposure.best_action else ""
    return el("p", el("b", "Chain: "), f"{said}.{then}{best}")


def _comment(who: str, at_ns: int, text: str, times: Times) -> Html:
    return el("p", el("b", who), f" {times.clock(at_ns)}: {text}", class_="comment")


def _actions(alert: Alert, *, acked: bool) -> Html:
    ack = el("button", "Acknowledge", type="button", data_action="ack", data_alert=alert.alert_id, class_="ack")
    minutes = el("input", name="minutes", type="number", min=1, max=10080, value=30, required=True, class_="minutes")
    return el(
        "div",
        None if acked else ack,
        _form(alert, "shelve", "Shelve", el("label", "for ", minutes, " min"), "Why?"),
        _form(alert, "comment", "Comment", None, "What do you know?"),
        class_="actions",
    )


def _form(alert: Alert, action: str, name: str, extra: Html | None, prompt: str) -> Html:
    text = el("input", name="text", required=True, maxlength=500, placeholder=prompt, aria_label=prompt)
    form = el("form", text, extra, el("button", name), data_action=action, data_alert=alert.alert_id)
    return el("details", el("summary", f"{name} …"), form)


def _folded(name: str, views: tuple[AlertView, ...], names: Names, times: Times) -> Html | None:
    if not views:
        return None
    rows = (el("li", _short(view.alert, names, times), data_key=view.alert.alert_id) for view in views)
    return el("details", el("summary", f"{name} ({len(views)})"), el("ul", rows), class_="folded", data_key=name)


def _short(alert: Alert, names: Names, times: Times) -> str:
    said = f"{spoken(alert.kind)}, {names.of(alert.subject)}: "
    if alert.state is State.SHELVED:
        return f"{said}shelved by {alert.shelved_by} until {times.clock(alert.shelved_until_ns)}"
    if alert.state is State.SUPPRESSED:
        return f"{said}suppressed: {alert.suppressed_by or alert.cause_key}"
    owner = f", {alert.acked_by}" if alert.acked_by else ""
    return f"{said}{times.clock(alert.fired_at_ns)} to {times.clock(alert.resolved_at_ns)}{owner}"
