"""Markup that cannot be injected: every text that enters is escaped, only `el` makes Html.

Names of topics, metrics and people are hostile input; they pass through here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"meta", "link", "input", "br"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | Html | None | Iterable["Child"]
Value = str | int | float | bool | None


def el(name: str, /, *children: Child, **attributes: Value) -> Html:
    """One element. `_` in an attribute's name is `-`, a closing `_` is dropped (`class_`); None and False omit it."""
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other; text is escaped."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int):
        return Html(escape(str(children)))
    return Html("".join(join(child) for child in children))


def data_script(element_id: str, json: bytes) -> Html:
    """JSON as a block that a browser does not run and that no value inside can close."""
    safe = json.decode().replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Html(f'<script type="application/json" id="{escape(element_id)}">{safe}</script>')


def _attribute(key: str, value: Value) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'
