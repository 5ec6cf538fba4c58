"""Reference cases with known answers, answered and compared by this project. See README.md of the chain."""
