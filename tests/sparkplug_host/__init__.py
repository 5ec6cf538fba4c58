"""The host assertions of Sparkplug 3.0, held against what went over the wire: ours must satisfy them, a spoilt one not.

`assertions.toml` lists the ids and says which check of `checks/` judges each; `recordings` has our own collector speak
with a real Mosquitto through `wire_tap`; `spoiling` alters what was recorded. `python -m tests.sparkplug_host` prints
what is checked and what is not.
"""
