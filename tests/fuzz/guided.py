"""One format with libFuzzer's eyes (atheris): payloads that reach code no other reached are mutated on.

Started by `python -m tests.fuzz --atheris`, with the format's name and libFuzzer's own arguments. Needs the extra
`fuzz`; atheris has wheels for Linux and CPython 3.11 and later. Formats are imported last: atheris instruments what it
sees imported.
"""

from __future__ import annotations

import sys


def main() -> None:
    name = sys.argv.pop(1)
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is missing: pip install 'andon[fuzz]' (Linux, CPython 3.11 and later)")
    with atheris.instrument_imports(include=["collector.formats", "collector.units", "collector.forwarding"]):
        from tests.fuzz.trial import Outcome, Trial
    trial = Trial(name)
    senders = [(case, message) for case in trial.cases for message in case.messages()]

    def one(payload: bytes) -> None:
        outcome = Outcome()
        case, message = senders[sum(payload[:64]) % len(senders)]
        trial.send(case, message._replace(payload=payload), outcome)
        for _, _, fault in outcome.faults:
            raise AssertionError(fault)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
