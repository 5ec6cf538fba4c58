"""One profile for all property tests: the same examples on every run, and no deadline on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("andon", derandomize=True, deadline=None)
settings.load_profile("andon")
