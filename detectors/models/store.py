"""Where models are kept: in the spool, by id, beside a list of the versions of each rule and cell.

A model's frame in the log names it by id and never carries it: frames of that kind are never evicted, and a model is
too large to stay for ever. The newest versions are kept, so a replay of the log finds those of the last days.
"""

from __future__ import annotations

import msgspec

from collector.spool.frames import NewModel, new_model_frame
from collector.spool.spool import Spool
from detectors.models.model import ForestModel, Lesson, model_id, pack

KEPT = 5  # versions of each rule and cell
_MODEL, _VERSIONS = "model ", "model versions "


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One training: `number` counts those of this rule and cell; `model_id` is empty where `refused` says why."""

    rule: str
    subject: str
    number: int
    trained_at_ns: int
    model_id: str
    refused: str
    drift: str
    lesson: Lesson


class ModelStore:
    """Over a spool that the caller owns."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def read(self, name: str) -> bytes:
        """The bytes of a model, none where it is not kept (any more)."""
        return self._spool.recall(_MODEL + name)

    def versions(self, rule: str, subject: str) -> list[Version]:
        """The last trainings of a rule and cell, oldest first."""
        body = self._spool.recall(f"{_VERSIONS}{rule}|{subject}")
        return msgspec.msgpack.decode(body, type=list[Version]) if body else []

    def in_use(self, rule: str, subject: str) -> str:
        """The id of the newest model that was not refused, empty before the first."""
        return next((one.model_id for one in reversed(self.versions(rule, subject)) if one.model_id), "")

    def put(self, shard: str, model: ForestModel | None, version: Version) -> Version:
        """Keeps a training and says it in the line's log, all in one transaction; returns it with id and number."""
        body = pack(model) if model else b""
        before = self.versions(version.rule, version.subject)
        version = msgspec.structs.replace(
            version,
            number=before[-1].number + 1 if before else 1,
            model_id=model_id(version.rule, version.subject, body) if body else "",
        )
        kept, gone = _newest([*before, version])
        with self._spool.transaction():
            if body:
                self._spool.remember(_MODEL + version.model_id, body)
            for old in gone:
                self._spool.forget(_MODEL + old)
            self._spool.remember(f"{_VERSIONS}{version.rule}|{version.subject}", msgspec.msgpack.encode(kept))
            self._spool.log.append([new_model_frame(shard, _told(version))])
        return version


def _newest(versions: list[Version]) -> tuple[list[Version], set[str]]:
    """The versions to keep, the last models among them however often training was refused; and the ids to drop."""
    models = [one for one in versions if one.model_id][-KEPT:]
    refusals = [one for one in versions if not one.model_id][-KEPT:]
    kept = [one for one in versions if one in models or one in refusals]
    return kept, {one.model_id for one in versions if one.model_id} - {one.model_id for one in models}


def _told(version: Version) -> NewModel:
    return NewModel(version.rule, version.subject, version.model_id, version.trained_at_ns, version.refused)
