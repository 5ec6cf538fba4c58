"""Output now against its band, and what the line did lately."""

from __future__ import annotations

from dashboards.live.html import Html, el
from dashboards.live.marks import class_of, state_mark, strip_shape
from dashboards.live.state import BoardState, LineState, LineView, Output
from dashboards.live.words import Names, Times, number, spoken

PLACE = 2
QUESTION = "Does every line make what it should?"
_BAR = 240.0  # width of the analogue bar in its own units
_STRIP = 480.0


def render(state: BoardState, times: Times) -> Html:
    if not state.lines:
        return el("p", "No line has sent a reading yet.", class_="quiet")
    names = Names(state.shards())
    lines = (_line(line, names, times) for line in state.lines)
    return el("div", _ranges(), el("div", lines, class_="lines"), _legend())


def _line(line: LineView, names: Names, times: Times) -> Html:
    standing = f"{spoken(line.state)} for {times.ago(line.since_ns)}"
    title = names.line(line.line) + (f" · {line.metric}" if line.metric else "")
    return el(
        "article",
        el("h3", title),
        el("p", state_mark(line.state), standing, class_=f"standing {class_of(line.state)}"),
        _output(line, times),
        _chart(line, title),
        _strip(line, times),
        class_="line",
        data_key=line.key,
    )


def _ranges() -> Html:
    """How far back the charts look; a browser without scripts sees the live window."""
    spans = (("live", ""), ("24 h", "86400"), ("7 d", "604800"))
    buttons = (
        el("button", name, type="button", data_span=span_s, aria_pressed="false" if span_s else "true")
        for name, span_s in spans
    )
    return el("div", buttons, class_="ranges", role="group", aria_label="How far back", data_keep=True)


def _chart(line: LineView, title: str) -> Html:
    """The place of a chart; `data_series` is what history is asked for."""
    return el(
        "div",
        class_="chart",
        data_keep=True,
        data_chart=line.key,
        data_series=line.series,
        role="img",
        aria_label=f"Output of {title}",
    )


def _output(line: LineView, times: Times) -> Html:
    output = line.output
    if output is None or line.state is LineState.NO_DATA:
        last = f"; last judged {times.clock(output.at_ns)}" if output else ""
        return el("p", f"Output unknown{last}.", class_="output unknown")
    band = "band not learned yet"
    if output.low is not None:
        band = f"expected {number(output.low)} to {number(output.high)}"
    return el(
        "div",
        el("p", el("b", number(output.value)), el("span", " per hour"), class_="now"),
        el("div", _bar(output), el("p", band, class_="band-text"), class_="analogue"),
        class_="output",
    )


def _bar(output: Output) -> Html | None:
    """The analogue bar: the normal band dark on grey, the value a pointer that is filled when it is outside."""
    value, low, high = output.value, output.low, output.high
    if value is None or low is None or high is None:
        return None
    full = max(high * 1.25, value * 1.05, 1e-9)
    x = _BAR * min(max(value / full, 0.0), 1.0)
    outside = not low <= value <= high
    return el(
        "svg",
        el("rect", x=0, y=9, width=_BAR, height=10, class_="ground"),
        el("rect", x=_BAR * low / full, y=9, width=_BAR * (high - low) / full, height=10, class_="band"),
        el("path", d=f"M{x:.1f} 10 L{x - 6:.1f} 0 H{x + 6:.1f} Z M{x:.1f} 9 V22", class_="pointer" + " low" * outside),
        viewBox=f"-7 -1 {_BAR + 14:.0f} 24",
        class_="bar",
        role="img",
        aria_label=f"{number(value)} against {number(low)} to {number(high)}",
    )


def _strip(line: LineView, times: Times) -> Html | None:
    if not line.strip:
        return None
    from_ns, to_ns = line.strip[0].from_ns, line.strip[-1].to_ns
    scale = _STRIP / max(1, to_ns - from_ns)
    shapes = []
    for segment in line.strip:
        said = f"{segment.reason or segment.state}: {times.clock(segment.from_ns)} to {times.clock(segment.to_ns)}"
        x, width = (segment.from_ns - from_ns) * scale, (segment.to_ns - segment.from_ns) * scale
        shapes.append(strip_shape(segment.state, x, width, 16.0, el("title", said)))
    return el(
        "svg",
        shapes,
        viewBox=f"0 0 {_STRIP:.0f} 16",
        preserveAspectRatio="none",
        class_="states",
        role="img",
        aria_label=f"States from {times.clock(from_ns)} to {times.clock(to_ns)}: {_told(line)}",
    )


def _told(line: LineView) -> str:
    """The strip in words: the share of each state."""
    total = sum(segment.to_ns - segment.from_ns for segment in line.strip)
    shares = {
        state: sum(segment.to_ns - segment.from_ns for segment in line.strip if segment.state is state) / total
        for state in LineState
    }
    return ", ".join(f"{state} {share:.0%}" for state, share in shares.items() if share > 0)


def _legend() -> Html:
    def swatch(state: LineState) -> Html:
        drawn = el("svg", strip_shape(state, 0.5, 23.0, 14.0), viewBox="0 -1 24 16", aria_hidden="true")
        return el("li", drawn, str(state))

    return el("ul", (swatch(state) for state in LineState), class_="legend", aria_label="What the strips mean")
