from __future__ import annotations

from dashboards.panels.output_band import panel


def test_the_band_is_filled_between_two_series_the_query_gives():
    (target,) = panel()["targets"]
    (filled,) = [
        (override["matcher"]["options"], entry["value"])
        for override in panel()["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "custom.fillBelowTo"
    ]
    assert filled == ("high", "low") and target["alias"] == "$col"
    assert all(f'AS "{series}"' in target["query"] for series in filled)


def test_there_is_one_for_every_line():
    assert panel()["repeat"] == "line" and "$line" in panel()["title"]
