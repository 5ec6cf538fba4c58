"""Rules of site.toml: what they are called, in which order they look, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import ConfigError, read
from detectors.settings import BoundRule, bound_rules

SITE = '[site]\nenterprise = "e"\nname = "s"\n'


def rules(folder: Path, *texts: str) -> tuple[BoundRule, ...]:
    path = folder / "site.toml"
    path.write_text(SITE + "".join(f"[[rule]]\n{text}\n" for text in texts))
    return bound_rules(read(path))


def refusal(folder: Path, *texts: str) -> str:
    with pytest.raises(ConfigError) as refused:
        rules(folder, *texts)
    return str(refused.value).removeprefix(f"{folder / 'site.toml'}: ")


def test_a_rule_is_called_by_its_method_and_by_its_globs_where_methods_are_shared(tmp_path: Path) -> None:
    assert [one.name for one in rules(tmp_path, 'method = "stuck"\nmetric = "t*"')] == ["stuck"]
    shared = rules(tmp_path, 'method = "silent"', 'method = "silent"\nmetric = "fill"\nline = "b*"\nper = "series"')
    assert [one.name for one in shared] == ["silent", "silent-fill-b*"]
    named = rules(tmp_path, 'method = "silent"', 'method = "silent"\nname = "dead_sensor"\nmetric = "fill"')
    assert [one.name for one in named] == ["silent", "dead_sensor"]


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = ('method = "stuck"\nmetric = "t"', 'method = "stuck"\nmetric = "t"')
    assert refusal(tmp_path, *twice) == (
        "`rule[1].name`: rule[0] is called 'stuck-t' too; give each a `name` of its own"
    )
    assert refusal(tmp_path, 'method = "stuck"', 'method = "silent"\nname = "stuck"').startswith("`rule[1].name`")


@pytest.mark.parametrize("name", ["a b", "a:b", "a@b", "a|b"])
def test_a_name_that_would_break_a_key_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, f'method = "stuck"\nname = "{name}"').startswith("`rule[0].name`")


def test_causes_look_first_along_chains_of_causes(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        'method = "stuck"\nsuppressed_by = ["silent"]',
        'method = "silent"\nsuppressed_by = ["output_drop"]',
        'method = "output_drop"\nsuppressed_by = ["shortage"]',
        'method = "shortage"\nresponse_s = 60',
    )
    assert [one.name for one in found] == ["shortage", "output_drop", "silent", "stuck"]


def test_a_cause_may_be_a_rule_or_all_rules_of_a_method(tmp_path: Path) -> None:
    sensors = 'method = "silent"\nmetric = "fill"\nper = "series"\nsuppressed_by = ["silent"]'
    found = {one.name: one.rule.suppressed_by for one in rules(tmp_path, 'method = "silent"', sensors)}
    assert found == {"silent": (), "silent-fill": ("silent",)}
    drops = ('method = "stuck"\nname = "a"', 'method = "stuck"\nname = "b"')
    found = {
        one.name: one.rule.suppressed_by
        for one in rules(tmp_path, *drops, 'method = "silent"\nsuppressed_by = ["stuck"]')
    }
    assert found["silent"] == ("a", "b")


def test_rules_that_suppress_each_other_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'method = "stuck"\nsuppressed_by = ["stuck"]') == (
        "`rule[0].suppressed_by`: the rule would suppress itself; remove 'stuck' or name the other rule"
    )
    ring = ('method = "stuck"\nsuppressed_by = ["silent"]', 'method = "silent"\nsuppressed_by = ["stuck"]')
    sentence = refusal(tmp_path, *ring)
    assert ".suppressed_by`: rules suppress each other (" in sentence
    assert "remove one of these" in sentence


def test_a_cause_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, 'method = "stuck"\nsuppressed_by = ["outage"]')
    assert sentence == (
        "`rule[0].suppressed_by`: no rule is called 'outage' or uses such a method; correct or remove it"
    )
