"""Identifiers of patients, of what insures them and of who treats them."""

from indexer.recognisers.rule import CHECKED, CODE, DISTINCT, IN_CONTEXT, Rule, context, luhn, shape

_NUMBER = r"(?=[A-Z \n/-]{0,6}\d)(?:[A-Z]{1,4}[ \n/-]?)?\d(?:[ /-]?\d){4,13}(?:[ /-]?[A-Z]{1,2})?"


def _is_npi(digits: str) -> bool:
    """45 CFR 162.406: Luhn over the number after 80840, the issuer's prefix of health cards."""
    return luhn(f"80840{digits}")


def _is_dea(value: str) -> bool:
    """Drug Enforcement Administration: the odd digits plus twice the even ones end in the seventh."""
    digits = [int(digit) for digit in value[2:]]
    return (sum(digits[:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


RULES = (
    Rule(
        entity="US_NPI",
        pattern=shape(r"[12]\d{3}[ -]?\d{3}[ -]?\d{3}"),
        score=CHECKED,
        check=_is_npi,
        context=context("npi", "npi number", "npi no", "national provider identifier", "identifiant npi"),
    ),
    Rule(  # CMS, "Understanding the MBI": which places hold letters, and which letters
        entity="US_MBI",
        pattern=shape(
            r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?"
            r"[AC-HJKMNP-RT-Y]{2}\d{2}"
        ),
        first=CODE,
        score=DISTINCT,
    ),
    Rule(
        entity="US_MBI",
        pattern=shape(
            r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[ -]?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[ -]?"
            r"[AC-HJKMNP-RT-Y]{2}\d{2}",
            ignore_case=True,
        ),
        score=IN_CONTEXT,
        context=context("mbi", "medicare", "medicare beneficiary", "medicare number", "medicare id"),
    ),
    Rule(
        entity="US_DEA",
        pattern=shape(r"[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}"),
        first=CODE,
        score=CHECKED,
        check=_is_dea,
    ),
    Rule(
        entity="US_DEA",
        pattern=shape(r"[ABCDEFGHJKLMPRSTUX][A-Z9][ -]?\d{7}", ignore_case=True),
        score=CHECKED,
        check=_is_dea,
        context=context("dea", "dea number", "dea no", "dea registration", "prescriber", "numero dea"),
    ),
    Rule(
        entity="MEDICAL_RECORD",
        pattern=shape(_NUMBER, ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("mrn", "medical record number", "medical record no", "medical record", "hospital number", "hospital no"),
            *("patient id", "patient identifier", "chart number", "chart no", "case note number", "unit number"),
            *("ipp", "iep", "nda:", "nda :", "nda n°", "numero nda", "numero de dossier", "n° de dossier"),
            *(
                "dossier n°",
                "dossier no",
                "dossier medical",
                "dossier patient",
                "dossier numero",
                "identifiant patient",
            ),
            *("numero de sejour", "n° de sejour", "numero patient", "n° patient", "numero d'hospitalisation"),
        ),
    ),
    Rule(
        entity="HEALTH_PLAN",
        pattern=shape(_NUMBER, ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("member id", "member number", "member no", "subscriber id", "subscriber number", "health plan number"),
            *("medicaid", "medicaid id", "insurance id", "insurance policy", "health insurance", "beneficiary number"),
            *("numero d'adherent", "n° d'adherent", "n° adherent", "numero adherent", "contrat de mutuelle"),
            *("numero de mutuelle", "carte de mutuelle", "mutuelle n°", "numero d'assure", "n° d'assure"),
        ),
    ),
    Rule(
        entity="PROFESSIONAL_LICENCE",
        pattern=shape(_NUMBER, ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("license number", "licence number", "license no", "licence no", "medical license", "nursing license"),
            *("bar number", "bar no", "gmc", "gmc number", "nmc pin", "gdc number", "gphc", "hcpc", "sra number"),
            *("state bar", "rpps", "adeli", "numero d'ordre", "n° d'ordre", "carte professionnelle", "n° rpps"),
        ),
    ),
)
