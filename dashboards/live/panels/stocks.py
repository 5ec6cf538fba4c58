"""Stocks: what is on hand, and when each runs empty, early to late."""

from __future__ import annotations

from dashboards.live.html import Html, el
from dashboards.live.marks import level_mark
from dashboards.live.state import BoardState, StockView
from dashboards.live.words import Names, Times, amount, duration, plain, span

PLACE = 3
QUESTION = "What runs empty next?"
_SPARK, _HIGH = 120.0, 26.0
_BAR = 100.0


def render(state: BoardState, times: Times) -> Html:
    if not state.stocks:
        return el("p", "No stock is measured.", class_="quiet")
    lines = sorted({stock.line for stock in state.stocks})
    first = min((stock.empty_s for stock in state.stocks if stock.empty_s is not None), default=None)
    return el("div", (_group(state, line, first, times) for line in lines), class_="groups")


def _group(state: BoardState, line: str, first: float | None, times: Times) -> Html:
    """The stocks of one line; its name stands above them where there are several lines."""
    own = [stock for stock in state.stocks if stock.line == line]
    heading = el("h3", Names(state.shards()).line(line)) if len(own) < len(state.stocks) else None
    heads = ("Stock", "On hand", "Lately", "Runs empty in")
    head = el("tr", (el("th", name, scope="col", class_=name.split()[0].lower()) for name in heads))
    one_cell = len({stock.series.partition(":")[0] for stock in own}) == 1
    rows = (
        _row(
            stock,
            plain(stock.series.partition(":")[2]) if one_cell else Names([line]).of(stock.series),
            times,
            is_first=first is not None and stock.empty_s == first,
        )
        for stock in own
    )
    table = el("table", el("thead", head), el("tbody", rows), class_="stocks")
    return el("div", heading, table, class_="group", data_key=line)


def _row(stock: StockView, name: str, times: Times, *, is_first: bool) -> Html:
    return el(
        "tr",
        el("th", name, scope="row", title=stock.series),
        el("td", _bar(stock), el("span", amount(stock.on_hand, stock.unit)), class_="on"),
        el("td", _spark(stock), class_="lately"),
        el("td", _empty(stock, times, is_first=is_first), class_="runs"),
        class_=f"stock {stock.level or ''}{' silent' if stock.silent else ''}",
        data_key=stock.series,
    )


def _empty(stock: StockView, times: Times, *, is_first: bool) -> list[Html]:
    if stock.silent:
        return [el("strong", "No data"), el("small", f"since {times.clock(stock.at_ns)}")]
    if stock.on_hand <= 0:
        return [*_mark(stock), el("strong", "Empty now")]
    if stock.empty_s is None:
        return [el("span", "–"), el("small", "no steady use to judge by")]
    clock = times.ahead(stock.empty_s)
    said = [*_mark(stock), el("strong", duration(stock.empty_s)), el("small", f"{_span(stock)}at {clock}")]
    return [*said, el("em", "first")] if is_first else said


def _mark(stock: StockView) -> list[Html]:
    return [level_mark(stock.level)] if stock.level else []


def _span(stock: StockView) -> str:
    if stock.empty_early_s is None or stock.empty_late_s is None:
        return ""
    return f"{span(stock.empty_early_s, stock.empty_late_s)}, "


def _bar(stock: StockView) -> Html:
    filled = _BAR * stock.on_hand / stock.most if stock.most > 0 else 0.0
    return el(
        "svg",
        el("rect", x=0, y=0, width=_BAR, height=10, class_="ground"),
        el("rect", x=0, y=0, width=min(max(filled, 0.0), _BAR), height=10, class_="filled"),
        viewBox=f"0 0 {_BAR:.0f} 10",
        preserveAspectRatio="none",
        class_="amount",
        aria_hidden="true",
    )


def _spark(stock: StockView) -> Html | None:
    if len(stock.history) < 2 or stock.most <= 0:
        return None
    from_s, to_s = stock.history[0][0], stock.history[-1][0]
    per_s, per_unit = _SPARK / max(1, to_s - from_s), (_HIGH - 2) / stock.most
    points = " ".join(
        f"{(at_s - from_s) * per_s:.1f},{_HIGH - 1 - max(0.0, on_hand) * per_unit:.1f}"
        for at_s, on_hand in stock.history
    )
    line = el("polyline", points=points)
    box = f"0 0 {_SPARK:.0f} {_HIGH:.0f}"
    return el("svg", line, viewBox=box, preserveAspectRatio="none", class_="spark", aria_hidden="true")
