"""The law that the oracle goes by, written down a second time: bases, adequacy, mechanisms, with their days of force.

It shares no line with `policies/facts`; a test compares the two, so that a slip in either shows.
"""

from datetime import date

EU = frozenset(
    "at be bg cy cz de dk ee es fi fr gr hr hu ie it lt lu lv mt nl pl pt ro se si sk".split()  # noqa: SIM905
)
EEA = EU | {"is", "li", "no"}
GROUPS = {"eu": EU, "eea": EEA}
HOME = {"gdpr": EEA, "uk-gdpr": frozenset({"gb"})}
"""Where going is no transfer. The law of the United States has no rule on transfers at all."""

NEVER = date(2999, 12, 31)
APPLIES = {"gdpr": date(2018, 5, 25), "uk-gdpr": date(2021, 1, 1), "us": date(2003, 4, 14)}
"""The first day of each law. What it took over from before counts from then."""
IN_BOTH = ("consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests")
BASES = {
    "gdpr": dict.fromkeys(IN_BOTH, APPLIES["gdpr"]),
    "uk-gdpr": {**dict.fromkeys(IN_BOTH, APPLIES["uk-gdpr"]), "recognised_legitimate_interest": date(2026, 2, 5)},
    "us": {
        **dict.fromkeys(("consent", "contract", "legal_obligation", "sector_rule"), APPLIES["us"]),
        "notice": date(2020, 1, 1),
    },
}
"""The first day of each lawful basis (Art. 6(1); for the UK Data (Use and Access) Act 2025, s. 70)."""
ART_9 = (
    *("explicit_consent", "employment_social_protection", "vital_interests", "not_for_profit_body"),
    *("manifestly_public", "legal_claims", "substantial_public_interest", "health_or_social_care", "public_health"),
    "archiving_research_statistics",
)
CONDITIONS = {
    "gdpr": dict.fromkeys(ART_9, APPLIES["gdpr"]),
    "uk-gdpr": dict.fromkeys(ART_9, APPLIES["uk-gdpr"]),
    "us": dict.fromkeys(("explicit_consent", "health_or_social_care"), APPLIES["us"]),
}
"""The first day of each condition for special categories (Art. 9(2), letters a to j)."""

ADEQUATE_FOR_ALL = ("ad", "ar", "ch", "gg", "il", "im", "je", "nz", "uy")
ADEQUATE = {
    "gdpr": {
        **dict.fromkeys(ADEQUATE_FOR_ALL, (APPLIES["gdpr"], NEVER)),
        "gb": (date(2021, 6, 28), date(2031, 12, 27)),
        "br": (date(2026, 1, 26), NEVER),
    },
    "uk-gdpr": dict.fromkeys((*EEA, *ADEQUATE_FOR_ALL, "gi"), (APPLIES["uk-gdpr"], NEVER)),
}
"""Countries whose protection is found adequate for whoever receives there, with the first and the last day."""
CONDITIONAL = {
    "gdpr": {
        **dict.fromkeys(("ca", "fo"), APPLIES["gdpr"]),
        "jp": date(2019, 1, 23),
        "kr": date(2021, 12, 17),
    },
    "uk-gdpr": {**dict.fromkeys(("ca", "fo", "jp"), APPLIES["uk-gdpr"]), "kr": date(2022, 12, 19)},
}
"""Adequate for some recipients only, so that a manifest must say that this one is among them; with the first day."""
ANYWHERE = {
    "gdpr": {"scc": date(2021, 6, 27), "bcr": APPLIES["gdpr"], "derogation": APPLIES["gdpr"]},
    "uk-gdpr": {"idta": date(2022, 3, 21), "bcr": APPLIES["uk-gdpr"], "derogation": APPLIES["uk-gdpr"]},
}
"""Mechanisms that reach every country, with their first day."""
FRAMEWORK = {"gdpr": date(2023, 7, 10), "uk-gdpr": date(2023, 10, 12)}
"""The first day of the Data Privacy Framework and of its extension to the United Kingdom: to the United States."""


def countries(regions: list[str]) -> set[str]:
    """The countries of a list, groups written out."""
    found: set[str] = set()
    for region in regions:
        found |= GROUPS.get(region, {region})
    return found


def free(regime: str, country: str, day: date) -> bool:
    """Whether the law lets data go to the country without anything in the manifest."""
    if regime == "us" or country in HOME[regime]:
        return True
    first, last = ADEQUATE[regime].get(country, (NEVER, NEVER))
    return first <= day <= last


def carries(mechanism: str, regime: str, country: str, day: date) -> bool:
    """Whether the mechanism is in force on the day and reaches the country."""
    if mechanism == "adequacy":
        some = CONDITIONAL[regime].get(country, NEVER) <= day
        return some or (country not in HOME[regime] and free(regime, country, day))
    if mechanism == "dpf":
        return country == "us" and day >= FRAMEWORK[regime]
    return day >= ANYWHERE[regime].get(mechanism, NEVER)
