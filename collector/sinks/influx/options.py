"""What site.toml says of an InfluxDB, and the file its token is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from collector.config import ConfigError, Name, NotNegative, Positive, Section


class Options(Section, frozen=True, kw_only=True):
    """Where to write. `token_file` holds nothing but the token; relative paths start at the folder of site.toml."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://")] = "http://127.0.0.1:8086"
    org: Name = "andon"
    bucket: Name = "andon"
    username: str = ""
    token_file: str = ""
    timeout_s: Positive = 10.0
    check_s: Positive = 300.0
    write_only: bool = False
    retention_d: NotNegative | None = None


def token_in(path: Path) -> str:
    """The token in a file. Raises ConfigError."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`token_file`: {path} cannot be read ({error}); write the store's token into it") from error
    if not token or len(token.split()) != 1 or not token.isascii():
        raise ConfigError(f"`token_file`: {path} holds no token; write the store's token into it, and nothing else")
    return token
