"""What a Grafana is to hold, in the API's spelling, made from the rendered files and so never typed twice.

Input: the files of `dashboards.render` (content by path) and the environment that fills their `$NAME`s, as Grafana does
for files on its disk. Output: Things, in the order in which Grafana needs them. Pure. The API differs from the files:
`keep_firing_for`, `missingSeriesEvalsToResolve`, `folderUID`, seconds for an interval, annotations for the link to a
panel. Contact points and notification policies are the site's own and never sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from dashboards.build import FOLDER_TITLE, FOLDER_UID, Json

_ORG_ID = 1
_SPELLED_BY_API = {
    "keepFiringFor": "keep_firing_for",
    "missing_series_evals_to_resolve": "missingSeriesEvalsToResolve",
}
_LINK = {"dashboardUid": "__dashboardUid__", "panelId": "__panelId__"}  # annotations, over the API
_KNOWN_SINCE = {"keep_firing_for": 12}  # of a rule: the first version of Grafana that has it
_OF_A_FILE = ("orgId", "editable", "secureJsonData")  # a data source is told these in other ways, or not at all
_NAME = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}


@dataclass(frozen=True)
class Thing:
    """One thing Grafana is to hold.

    at: the path it is read from (and replaced at, unless `replaced_by_post`); into: the path it is created by.
    content: what its reading should say. body: what is sent; replacement: what is sent where it exists already, made
    from its reading, if that differs. seen: the part of a reading that `content` is compared with.
    from_file: whether a reading says that a file on Grafana's disk owns it, so that the API may not change it.
    lacks: names the environment does not have, without which it cannot be sent.
    """

    name: str
    at: str
    into: str
    content: Json
    body: Json
    replacement: Callable[[Json], Json] | None = None
    seen: Callable[[Json], Json] = lambda answer: answer
    from_file: Callable[[Json], bool] = lambda answer: answer.get("provenance") == "file"
    replaced_by_post: bool = False
    created_by_put: bool = False
    lacks: tuple[str, ...] = ()


def wanted(contents: Mapping[str, str], environment: Mapping[str, str]) -> list[Thing]:
    """Everything the rendered files say, as Things."""
    read = {name: json.loads(text) for name, text in contents.items() if not name.startswith("examples/")}
    files = [content for name, content in read.items() if name.startswith("provisioning/")]
    return [
        _folder(),
        *(_data_source(one, environment) for one in _listed(files, "datasources")),
        *(_mute_timing(one) for one in _listed(files, "muteTimes")),
        *(_board(content) for name, content in read.items() if name.startswith("dashboards/")),
        *(_rule_group(one) for one in _listed(files, "groups")),
    ]


def data_source_uids(things: list[Thing]) -> list[str]:
    """The data sources among the things, by uid."""
    return [thing.content["uid"] for thing in things if thing.into == "/datasources"]


def _listed(files: list[Json], key: str) -> Iterator[Json]:
    for file in files:
        yield from file.get(key, [])


def _folder() -> Thing:
    folder = {"uid": FOLDER_UID, "title": FOLDER_TITLE}
    return Thing(
        f"folder {FOLDER_TITLE}",
        at=f"/folders/{FOLDER_UID}",
        into="/folders",
        content=folder,
        body=folder,
        replacement=lambda _answer: {"title": FOLDER_TITLE, "overwrite": True},
        from_file=lambda _answer: False,
    )


def _data_source(source: Json, environment: Mapping[str, str]) -> Thing:
    """Its secrets cannot be read back: compared is only that there are some."""
    secrets = source.get("secureJsonData", {})
    told = {key: value for key, value in source.items() if key not in _OF_A_FILE}
    lacks = tuple(sorted(name for name in _names({**told, "": secrets}) if name not in environment))
    known = told if not lacks else _without_names(told)
    return Thing(
        f"data source {source['name']}",
        at=f"/datasources/uid/{quote(source['uid'])}",
        into="/datasources",
        content={**_filled(known, environment), "secureJsonFields": dict.fromkeys(secrets, True)},
        body=_filled({**told, "secureJsonData": secrets}, environment),
        from_file=lambda answer: bool(answer.get("readOnly")),
        lacks=lacks,
    )


def _mute_timing(timing: Json) -> Thing:
    body = {"name": timing["name"], "time_intervals": timing["time_intervals"]}
    return Thing(
        f"mute timing {timing['name']}",
        at=f"/v1/provisioning/mute-timings/{quote(timing['name'])}",
        into="/v1/provisioning/mute-timings",
        content=body,
        body=body,
    )


def _board(board: Json) -> Thing:
    return Thing(
        f"board {board['title']}",
        at=f"/dashboards/uid/{quote(board['uid'])}",
        into="/dashboards/db",
        content={**board, "folderUid": FOLDER_UID},
        body={"dashboard": board, "folderUid": FOLDER_UID, "overwrite": True, "message": "andon dashboards push"},
        seen=lambda answer: {**_part(answer, "dashboard"), "folderUid": _part(answer, "meta").get("folderUid")},
        from_file=lambda answer: bool(_part(answer, "meta").get("provisioned")),
        replaced_by_post=True,
    )


def _part(answer: Json, name: str) -> Json:
    """A part of a reading, empty where it is missing."""
    part = answer.get(name)
    return part if isinstance(part, dict) else {}


def _rule_group(group: Json) -> Thing:
    body = {
        "title": group["name"],
        "folderUid": FOLDER_UID,
        "interval": _seconds(group["interval"]),
        "rules": [_api_rule(rule, group["name"]) for rule in group["rules"]],
    }
    path = f"/v1/provisioning/folder/{FOLDER_UID}/rule-groups/{quote(group['name'])}"
    ours = [rule["uid"] for rule in body["rules"]]
    return Thing(
        f"rule group {group['name']}",
        at=path,
        into=path,
        content=body,
        body=body,
        replacement=lambda answer: {**body, "rules": [*body["rules"], *_rules_of_others(answer, ours)]},
        seen=lambda answer: _with_our_rules(answer, ours),
        from_file=lambda answer: any(rule.get("provenance") == "file" for rule in _rules(answer)),
        created_by_put=True,
    )


def _rules(answer: Json) -> list[Json]:
    listed = answer.get("rules")
    return [rule for rule in listed if isinstance(rule, dict)] if isinstance(listed, list) else []


def _rules_of_others(answer: Json, ours: list[str]) -> list[Json]:
    """What somebody added to our group: a group is replaced as a whole, so they are sent back as they were read."""
    return [rule for rule in _rules(answer) if rule.get("uid") not in ours]


def _with_our_rules(answer: Json, ours: list[str]) -> Json:
    """The reading with our rules in our order; the others are told beside, by their titles."""
    by_uid = {rule.get("uid"): rule for rule in _rules(answer)}
    others = {f"the rule {one.get('title')!r}, which is not ours": True for one in _rules_of_others(answer, ours)}
    return {**others, **answer, "rules": [by_uid[uid] for uid in ours if uid in by_uid]}


def known_to(things: Iterable[Thing], major: int | None) -> list[Thing]:
    """The things without what a Grafana of that version does not know yet, so never says; all where it is not told."""
    keys = {key for key, since in _KNOWN_SINCE.items() if major is not None and major < since}
    return [replace(thing, content=_without(thing.content, keys)) for thing in things]


def _without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(one, keys) for key, one in value.items() if key not in keys}
    return [_without(one, keys) for one in value] if isinstance(value, list) else value


def _api_rule(rule: Json, group: str) -> Json:
    link = {_LINK[key]: str(rule[key]) for key in _LINK if key in rule}
    spelled = {_SPELLED_BY_API.get(key, key): value for key, value in rule.items() if key not in _LINK}
    labels = {name: value.replace("$$", "$") for name, value in rule.get("labels", {}).items()}  # files write `$` twice
    return spelled | {
        "orgID": _ORG_ID,
        "folderUID": FOLDER_UID,
        "ruleGroup": group,
        "labels": labels,
        "annotations": {**rule.get("annotations", {}), **link},
    }


def _seconds(interval: str) -> int:
    return int(interval[:-1]) * _SECONDS[interval[-1]]


def _names(value: Any) -> set[str]:
    """The `$NAME`s in a value's texts."""
    if isinstance(value, dict):
        return set().union(*map(_names, value.values()))
    return set(_NAME.findall(value)) if isinstance(value, str) else set()


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, environment) for key, one in value.items()}
    if isinstance(value, str):
        return _NAME.sub(lambda found: environment.get(found[1], found[0]), value)
    return value


def _without_names(value: Json) -> Json:
    """What can be said without the environment."""
    return {
        key: _without_names(one) if isinstance(one, dict) else one
        for key, one in value.items()
        if isinstance(one, dict) or not _names(one)
    }
