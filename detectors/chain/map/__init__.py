"""The map of a chain as people keep it: a folder of tables (`tables`, `reading`), checked (`faults`, `wiring`) and made
into the Network that everything else computes on (`folder`)."""
