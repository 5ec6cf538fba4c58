"""Amounts as people say them: `1 rule`, `1,200 rules`."""

from __future__ import annotations


def amount(number: int, of: str) -> str:
    """A number of things; `of` is the word for one of them, whose plural ends in s."""
    return f"{number:,} {of}" if number == 1 else f"{number:,} {of}s"
