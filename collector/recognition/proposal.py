"""What is proposed for a sample: the tables of its rules, and what they leave out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from collector.config import Site
from collector.formats.event_time import site_zone
from collector.recognition.rules_text import Table


class LeftOutField(NamedTuple):
    """A field that no rule reads."""

    topic: str
    field: str
    why: str


class Asked(NamedTuple):
    """What the person says who asks: the site, None where the topics must tell, and the line where they do not.

    `site_name`: the site under which readings stand that say no other.
    """

    site: Site | None = None
    line: str = ""
    site_name: str = ""

    @property
    def zone(self) -> dt.tzinfo:
        """In which texts that name no zone are read. Raises ValueError for a site whose zone is none."""
        return site_zone(self.site) if self.site else dt.UTC


class Part(NamedTuple):
    """The proposal of one [[subscribe]]: its topic, the topics of the sample it is made for, what it leaves out."""

    topic: str
    made_for: Sequence[str]
    tables: Sequence[Table]
    left_out: Sequence[LeftOutField] = ()
