from __future__ import annotations

from dashboards.panels.open_alerts import panel


def test_the_worst_stands_first():
    sort_by = [(entry["displayName"], entry["desc"]) for entry in panel()["options"]["sortBy"]]
    assert sort_by == [("level", True), ("score", True)], "rising, Grafana puts what is not known before the worst"


def test_what_the_chain_loses_is_one_click_away():
    (kind,) = [o for o in panel()["fieldConfig"]["overrides"] if o["matcher"]["options"] == "kind"]
    assert any(entry["value"][0]["url"].startswith("/d/andon-supply-chain?") for entry in kind["properties"])


def test_a_level_is_told_by_word_and_shape_not_by_colour_alone():
    (level,) = [o for o in panel()["fieldConfig"]["overrides"] if o["matcher"]["options"] == "level"]
    (words,) = next(entry["value"] for entry in level["properties"] if entry["id"] == "mappings")
    assert words["options"]["2"]["text"] == "◆ critical" and words["options"]["1"]["text"] == "▲ warning"
