"""What the README shows of the Python API runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "detectors" / "chain" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["worst"].node == "mcu_maker" and names["survived_d"] < 60 < names["lost"]
    countries = len({node.country for node in names["network"].nodes})
    assert names["coarse"].share.shape == (countries,) == names["exact"].gap.shape
    assert names["coarse"].remaining.down.shape == (countries, len(names["firms"]))
