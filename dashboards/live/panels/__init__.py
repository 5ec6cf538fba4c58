"""The panels of the local board. A panel is one file: `PLACE` (its order), `QUESTION` (its title) and `render`."""
