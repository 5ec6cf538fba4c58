"""A template admits the topics it describes, names their captures, and tells the broker what to send."""

from __future__ import annotations

import pytest

from collector.topics import TopicTemplate

ADMITTED = [
    ("rig/weight", "rig/weight", {}),
    ("rig/{cell}", "rig/red", {"cell": "red"}),
    ("rig/dispenser_{cell}", "rig/dispenser_red", {"cell": "red"}),
    ("{site}/{line}/x.{cell}.y", "suzhou/motor/x.press.y", {"site": "suzhou", "line": "motor", "cell": "press"}),
    ("rig/+/x", "rig/any/x", {}),
    ("rig/+/x", "rig//x", {}),
    ("rig/#", "rig/a/b/c", {}),
    ("rig/#", "rig", {}),
    ("rig/#", "rig/a\nb", {}),
    ("rig/{cell}/#", "rig/red/a/b", {"cell": "red"}),
    ("#", "anything/at all", {}),
    ("a.b/(c)", "a.b/(c)", {}),
]
REFUSED = [
    ("rig/weight", "rig/weight/x"),
    ("rig/{cell}", "rig/"),
    ("rig/{cell}", "rig/a/b"),
    ("rig/dispenser_{cell}", "rig/red"),
    ("rig/+", "rig"),
    ("rig/#", "rigs"),
    ("a.b", "axb"),
]


@pytest.mark.parametrize(("template", "topic", "captures"), ADMITTED)
def test_admits(template: str, topic: str, captures: dict[str, str]) -> None:
    match = TopicTemplate(template).matcher().fullmatch(topic)
    assert match is not None
    assert match.groupdict() == captures


@pytest.mark.parametrize(("template", "topic"), REFUSED)
def test_refuses(template: str, topic: str) -> None:
    assert TopicTemplate(template).matcher().fullmatch(topic) is None


@pytest.mark.parametrize(
    ("template", "wanted"),
    [("rig/weight", "rig/weight"), ("rig/dispenser_{cell}/x", "rig/+/x"), ("+/{line}/#", "+/+/#"), ("#", "#")],
)
def test_subscribes_to_what_it_admits(template: str, wanted: str) -> None:
    assert TopicTemplate(template).filter == wanted


def test_names_its_captures_in_order() -> None:
    assert TopicTemplate("{site}/x_{line}/{cell}").captures == ("site", "line", "cell")


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("", "a topic is empty"),
        ("rig/#/x", "topic 'rig/#/x': `#` may stand only alone and last"),
        ("rig/x#", "`#` may stand only alone and last"),
        ("rig/x+", r"`\+` stands for a whole level"),
        ("{line}/{line}", "a capture stands twice"),
        ("rig/{Line}", r"a capture is a lower-case name in braces, such as \{line\}"),
        ("rig/{}", "a capture is a lower-case name"),
        ("rig/{line", "a capture is a lower-case name"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(template: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TopicTemplate(template)
