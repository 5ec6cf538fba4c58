"""Shapes that mean something: severities and line states. Each has a form of its own, so colour is never alone."""

from __future__ import annotations

from collector.schema import AlertLevel
from dashboards.live.html import Html, el
from dashboards.live.state import LineState

_STATE_PATHS = {  # 16 x 16
    LineState.RUNNING: "M4 2 L13 8 L4 14 Z",
    LineState.LOW: "M2 5 H14 L8 13 Z",
    LineState.STOPPED: "M3 3 H13 V13 H3 Z",
    LineState.PLANNED: "M3 2 H7 V14 H3 Z M9 2 H13 V14 H9 Z",
    LineState.LEARNING: "M8 2 A6 6 0 1 1 7.99 2 Z M8 5 V8 L10.5 9.5",
    LineState.NO_DATA: "M3 3 L13 13 M13 3 L3 13",
}
_CLASSES = {state: state.name.lower().replace("_", "-") for state in LineState}


def level_mark(level: AlertLevel, *, calls: bool = False) -> Html:
    """A square for critical, a triangle for warning; it blinks only while it `calls` for an acknowledgement."""
    shape = "M2 2 H22 V22 H2 Z" if level is AlertLevel.CRITICAL else "M12 1 L23.5 22 H0.5 Z"
    bang = el("path", d="M12 8 V14.5 M12 17.6 V19.6", class_="bang")
    class_ = f"mark {level}{' calls' if calls else ''}"
    drawn = (el("path", d=shape, class_="shape"), bang)
    return el("svg", drawn, viewBox="0 0 24 24", width=18, height=18, class_=class_, aria_hidden="true")


def state_mark(state: LineState) -> Html:
    path = el("path", d=_STATE_PATHS[state])
    return el("svg", path, viewBox="0 0 16 16", class_=f"mark state {class_of(state)}", aria_hidden="true")


def class_of(state: LineState) -> str:
    """The state's name in board.css."""
    return _CLASSES[state]


def strip_shape(state: LineState, x: float, width: float, height: float, *children: Html) -> Html:
    """A stretch of the state strip: full height is output, half is little, a hatch or a hollow is none."""
    low = state is LineState.LOW
    top, tall = (height / 2, height / 2) if low else (0.0, height)
    return el("rect", children, x=x, y=top, width=width, height=tall, class_=f"strip {class_of(state)}")
