"""What site.toml says of an Alertmanager, and the file its secret is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from collector.config import ConfigError, Positive, Section

LabelName = Annotated[str, msgspec.Meta(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Options(Section, frozen=True, kw_only=True):
    """Where to tell of alerts. Relative paths start at the folder of site.toml.

    `resend_s`: how often every open alert is sent again; `hold_s`: how long one goes on firing there after we are
    gone; `fresh_s`: a level stored longer ago fires nothing any more, a newer one would have come.
    `labels`: further labels of every alert. `heartbeat`: the name of the alert that always fires, "" for none.
    """

    url: Annotated[str, msgspec.Meta(pattern="^https?://")] = "http://127.0.0.1:9093"
    username: str = ""
    secret_file: str = ""
    ca_file: str = ""
    board_url: Annotated[str, msgspec.Meta(pattern="^(https?://.*)?$")] = ""
    labels: dict[LabelName, str] = {}
    heartbeat: str = "andon_heartbeat"
    resend_s: Positive = 30.0
    hold_s: Positive = 3600.0
    fresh_s: Positive = 300.0
    timeout_s: Positive = 10.0


def secret_in(path: Path) -> str:
    """The password or token in a file. Raises ConfigError."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`secret_file`: {path} cannot be read ({error}); write password or token into it") from error
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ConfigError(f"`secret_file`: {path} holds no password or token of plain letters; write it there, alone")
    return secret
