from __future__ import annotations

from dashboards.panels.open_alerts import panel


def test_the_worst_stands_first():
    sort_by = [(entry["displayName"], entry["desc"]) for entry in panel()["options"]["sortBy"]]
    assert sort_by == [("level", True), ("cover", False), ("loses", True), ("score", True)]


def test_a_level_is_told_by_word_and_shape_not_by_colour_alone():
    (level,) = [o for o in panel()["fieldConfig"]["overrides"] if o["matcher"]["options"] == "level"]
    (words,) = next(entry["value"] for entry in level["properties"] if entry["id"] == "mappings")
    assert words["options"]["2"]["text"] == "◆ critical" and words["options"]["1"]["text"] == "▲ warning"
