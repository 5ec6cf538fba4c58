"""Codes of the map and whether they are any: industries (GB/T 4754-2017), GLN (GS1), countries (ISO 3166-1), HS.

`gbt4754_divisions.csv` beside this file names the 41 industrial divisions; its note says where they are from.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

_COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
    CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
    MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
    UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
_MEANT = {"UK": "GB", "EL": "GR", "ROC": "TW"}


@cache
def divisions() -> dict[str, str]:
    """Name in English by the two digits of the division, `06` to `46`."""
    text = files("detectors.chain.map").joinpath("gbt4754_divisions.csv").read_text(encoding="utf-8")
    return {row["code"]: row["name_en"] for row in csv.DictReader(text.splitlines())}


def division_of(industry: str) -> str:
    """The division of an industry code of two to four digits, `""` for none."""
    return industry[:2]


def wrong_industry(code: str) -> str:
    """What is wrong with an industry code, with the remedy; `""` when it is one."""
    if not (code.isascii() and code.isdigit() and 2 <= len(code) <= 4):
        return f"{code!r} is no industry code; write two to four digits of GB/T 4754-2017"
    if code[:2] not in divisions():
        return f"{code!r} lies in no industrial division of GB/T 4754-2017 (06 to 46); correct the first two digits"
    return ""


def wrong_gln(code: str) -> str:
    """What is wrong with a GLN: 13 digits, the last a check digit (GS1 General Specifications 7.9)."""
    if not (code.isascii() and code.isdigit() and len(code) == 13):
        return f"{code!r} is no GLN; write its 13 digits"
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(code[:12]))
    check = -total % 10
    if int(code[12]) != check:
        return (
            f"{code} is no GLN: its check digit is {code[12]}, the other digits want {check}; compare with the source"
        )
    return ""


def wrong_country(code: str) -> str:
    if code in _COUNTRIES:
        return ""
    meant = _MEANT.get(code.upper(), code.upper())
    hint = f" (did you mean {meant}?)" if meant in _COUNTRIES else ""
    return f"{code!r} is no country{hint}; write the two capital letters of ISO 3166-1"


def wrong_hs_code(code: str) -> str:
    """What is wrong with a code of the Harmonized System: 4 to 10 digits, points are allowed, chapters 01 to 97."""
    digits = code.replace(".", "")
    if digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 10 and 1 <= int(digits[:2]) <= 97:
        return ""
    return f"{code!r} is no HS code; write its four to ten digits, the first two 01 to 97"
