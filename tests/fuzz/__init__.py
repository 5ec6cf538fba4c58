"""Hostile payloads for every format of the folder, the same ones every time: `make fuzz` (F4)."""
