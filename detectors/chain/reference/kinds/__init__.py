"""The folder is the registry: one module for each kind of case.

Each has KIND, TOLERANCE (where a case states none), CASE (a struct: what is read of the file) and `answers(case)`.
Nothing is exported here; `detectors.chain.reference.registry` finds the modules by their files.
"""
