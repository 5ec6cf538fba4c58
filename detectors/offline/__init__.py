"""Methods over tables instead of lines: what `andon score` runs."""
