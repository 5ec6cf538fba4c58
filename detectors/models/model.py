"""A trained model as it is kept: what it judges, what it was trained on, its figures, and its bytes with their proof.

Written by `detectors.models.trainer`, read by the methods that use it. The bytes say their format and carry a CRC-32;
the id is made of their digest, so what an id names never changes. Pure.
"""

from __future__ import annotations

import hashlib
import zlib

import msgspec

from collector.errors import AndonError
from detectors.models.forest import Tables

FORMAT = 1
_MAGIC = b"andon model "
_HEAD = len(_MAGIC) + 2 + 4  # magic, format, CRC-32


class ModelError(AndonError):
    """A model cannot be used; the sentence says which, why, and the remedy."""


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the cell: (value - mid) / spread is what the forest sees; `low` to `high` hold 99 % of the rows."""

    metric: str
    unit: str
    mid: float
    spread: float
    low: float
    high: float


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was trained on: UTC ns from the first to the last row, how many rows, and what came of it.

    `left_out`: metrics that are no features, with the reason. `metrics`: figures of the training by name.
    """

    from_ns: int
    to_ns: int
    rows: int
    left_out: dict[str, str]
    metrics: dict[str, float]


class ForestModel(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's forest. Smoothed over `smooth_rows`, a score of `usual` is 0 and one of `limit` is 1.0 of the method.

    `relation` float64[f, f], little-endian: features times it is how far each is from what the others let expect.
    `quantiles`: 101 of the smoothed scores of its own window, against which the next model's window is held.
    """

    rule: str
    subject: str
    trained_at_ns: int
    smooth_rows: int
    features: tuple[Feature, ...]
    relation: bytes
    usual: float
    limit: float
    quantiles: tuple[float, ...]
    lesson: Lesson
    forest: Tables


def model_id(rule: str, subject: str, body: bytes) -> str:
    """Under which a model's bytes are kept."""
    return f"{rule}|{subject}|{hashlib.sha256(body).hexdigest()[:16]}"


def pack(model: ForestModel) -> bytes:
    said = zlib.compress(msgspec.msgpack.encode(model))
    return _MAGIC + FORMAT.to_bytes(2, "little") + zlib.crc32(said).to_bytes(4, "little") + said


def unpack(name: str, body: bytes) -> ForestModel:
    """The model kept as `name`. Raises ModelError: nothing there, damaged, or of another format."""
    if not body:
        raise unusable(name, "is not in the spool")
    if not body.startswith(_MAGIC) or len(body) < _HEAD:
        raise unusable(name, "is no model")
    kept_format = int.from_bytes(body[len(_MAGIC) : len(_MAGIC) + 2], "little")
    if kept_format != FORMAT:
        raise unusable(name, f"has format {kept_format}, this version reads {FORMAT}")
    said = body[_HEAD:]
    if zlib.crc32(said).to_bytes(4, "little") != body[_HEAD - 4 : _HEAD]:
        raise unusable(name, "is damaged: its checksum differs")
    try:
        return msgspec.msgpack.decode(zlib.decompress(said), type=ForestModel)
    except (msgspec.MsgspecError, zlib.error) as error:
        raise unusable(name, f"cannot be read ({error})") from error


def unusable(name: str, why: str) -> ModelError:
    """The error that says why a model cannot be used."""
    return ModelError(f"model {name} {why}; train again: `andon train SITE.TOML`")
