"""Queries say what they should, and a name the store does not have is an error before anybody looks at a board."""

from __future__ import annotations

import pytest

from collector.schema import ALERT_STATE, EXPECTED, READING
from dashboards import query

CASES = {
    "one value an interval": (
        lambda: query.over_time(EXPECTED, {"made": "value"}, how="mean", where=[query.chosen("line")], by=["cell"]),
        'SELECT mean("value") AS "made" FROM "expected" WHERE $timeFilter AND "line" =~ /^$line$/'
        ' GROUP BY time($__interval), "cell" fill(none)',
    ),
    "the newest point of every group": (
        lambda: query.latest(READING, {"v": "value"}, where=[query.equals("metric", "it's")], by=["line"]),
        'SELECT "value" AS "v" FROM "reading" WHERE $timeFilter AND "metric" = \'it\\\'s\''
        ' GROUP BY "line" ORDER BY time DESC LIMIT 1',
    ),
    "the highest of the newest of several": (
        lambda: query.highest_of_latest(EXPECTED, "worst", "score", by=["line"], among=["cell", "metric"]),
        'SELECT max("worst") AS "worst" FROM (SELECT last("score") AS "worst" FROM "expected"'
        ' WHERE $timeFilter GROUP BY "line", "cell", "metric") GROUP BY "line"',
    ),
    "the values of a tag but some": (
        lambda: query.tag_values(READING, "line", where=[query.none_of("line", ["_self", "a.b"])]),
        'SHOW TAG VALUES FROM "reading" WITH KEY = "line" WHERE "line" !~ /^(_self|a\\.b)$/',
    ),
    "the newest of the groups above a limit": (
        lambda: query.latest_above(ALERT_STATE, {"level": "state", "x": "score"}, limit=0.5, by=["kind"]),
        'SELECT "level", "x" FROM (SELECT last("state") AS "level", "score" AS "x" FROM "alert_state"'
        ' WHERE $timeFilter GROUP BY "kind") WHERE "level" > 0.5 GROUP BY "kind"',
    ),
    "the values of a tag": (
        lambda: query.tag_values(READING, "line", where=[query.chosen("site")]),
        'SHOW TAG VALUES FROM "reading" WITH KEY = "line" WHERE "site" =~ /^$site$/',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_query_says(name):
    build, text = CASES[name]
    assert build() == text


@pytest.mark.parametrize(
    "build",
    [
        lambda: query.latest(READING, {"v": "velue"}),
        lambda: query.over_time(READING, {"v": "value"}, how="mean", by=["lane"]),
        lambda: query.latest_above(ALERT_STATE, {"level": "severity"}, limit=0, by=["kind"]),
        lambda: query.tag_values(ALERT_STATE, "severity"),
        lambda: query.latest(READING, {"v": "value"}, where=[query.chosen("node")]),
    ],
)
def test_a_name_the_store_does_not_have_is_an_error(build):
    with pytest.raises(ValueError, match=r"measurement (reading|alert_state) has no (tag|field) '.*'; it has "):
        build()
