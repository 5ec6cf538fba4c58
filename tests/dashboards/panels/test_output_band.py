from __future__ import annotations

import re

from dashboards.panels.output_band import panel


def test_every_counter_stands_against_limits_of_its_own():
    (target,) = panel()["targets"]
    assert 'GROUP BY time($__interval), "cell", "metric" ' in target["query"]
    assert target["alias"] == "$tag_cell $tag_metric $col"


def test_every_series_the_query_gives_is_drawn_in_its_own_way():
    (target,) = panel()["targets"]
    patterns = [override["matcher"]["options"].strip("/") for override in panel()["fieldConfig"]["overrides"]]
    for column in re.findall(r'AS "(\w+)"', target["query"]):
        assert sum(bool(re.search(pattern, f"press_a good {column}")) for pattern in patterns) == 1, column


def test_there_is_one_for_every_line():
    assert panel()["repeat"] == "line" and "$line" in panel()["title"]
