"""What a series has never done before: the causal signals of `methods/novelty.py` and how rare each of their values is.

Every memory is a msgspec struct of bounded size; arrays lie in bytearrays, so that a snapshot is the memory itself.
"""
