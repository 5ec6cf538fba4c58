"""How well what was said agrees with what is known to have happened."""
