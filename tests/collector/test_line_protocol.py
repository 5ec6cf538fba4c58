"""What `collector.formats.line_protocol` promises besides its cases: our own rows come back as they went."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import Site
from collector.formats import line_protocol
from collector.formats.line_protocol import points_in
from collector.readings import Batch, Equipment, Series
from collector.rows import rows
from collector.sources.source import Message
from collector.spool.frames import Frame, FrameKind
from collector.topics import TopicTemplate

AT_NS = 1_720_730_488_000_000_000
NAMES = st.text("ab7 ,=._-'äß", min_size=1, max_size=12).filter(lambda name: name.strip() == name)
TEXTS = st.text("ab \\\",='ü", max_size=12)


@given(site=NAMES, line=NAMES, cell=NAMES, metric=NAMES, value=st.floats(-1e300, 1e300))
def test_our_own_rows_come_back_as_the_same_series(site: str, line: str, cell: str, metric: str, value: float) -> None:
    series = Series(Equipment("acme", site, line=line, cell=cell), metric)
    form = line_protocol.build(line_protocol.Options(), Site(enterprise="acme", name="other"), TopicTemplate("#"))
    decoded = form.decode(Message("back", b"\n".join(rows(frame(value), {0: series})), AT_NS))
    assert [(one.series, one.at_ns, one.value) for one in decoded.readings] == [(series, AT_NS, value)]


@given(text=TEXTS)
def test_a_text_comes_back_without_its_escapes(text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"')
    (point,) = points_in(f'm,k=v t="{written}",n=1i {AT_NS}'.encode())
    assert (point.fields, point.time) == ({"t": text, "n": 1.0}, str(AT_NS))


@pytest.mark.parametrize(
    "line", ["m f=1,", "m,=v f=1", "m =1", ",k=v f=1", "m f", 'm f="', 'm f="a"b', "m f=1 2 3", "m f=nan"]
)
def test_a_line_that_is_none_is_told_by_its_number(line: str) -> None:
    with pytest.raises(ValueError, match="line 2: "):
        points_in(f"m f=1\n{line}".encode())


def frame(value: float) -> Frame:
    columns = (
        np.array([0], np.int32),
        np.array([AT_NS]),
        np.array([value]),
        np.array([0], np.uint8),
        np.array([AT_NS]),
    )
    return Frame("x", FrameKind.BATCH, AT_NS, Batch(*columns))
