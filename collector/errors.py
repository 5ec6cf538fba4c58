"""The one family of errors a person is meant to read.

Every subclass carries a sentence that names the file, key or topic and the remedy. `deploy.cli` prints
that sentence and ends; nothing else in the house catches the base class.
"""


class AndonError(Exception):
    """What went wrong, where, and what to do about it, in one sentence without a traceback."""
