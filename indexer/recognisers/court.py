"""Numbers of cases before courts, which lead to everybody in them: English and French, and the courts of Europe."""

import re

from indexer.recognisers.rule import DISTINCT, IN_CONTEXT, LEFT, RIGHT, Rule, context, shape

_ENGLISH = (
    *("case", "cases", "claim", "claims", "docket", "file", "cause", "action", "appeal", "appeals", "petition"),
    *("indictment", "proceedings", "complaint", "warrant", "investigation", "judgment", "matter", "suit"),
    *("application", "applications", "d.c.", "decision", "judgement", "prosecution", "reference"),
)
_FRENCH = (
    *("requete", "requetes", "pourvoi", "pourvois", "affaire", "affaires", "dossier", "dossiers", "parquet"),
    *("instruction", "minute", "arret", "jugement", "ordonnance", "rg", "r.g.", "role"),
)
_WHOSE = "|".join(rf"(?<=(?i:{re.escape(word)}) )" for word in (*_ENGLISH, *_FRENCH))
_NUMBER = r"(?:[Nn](?:os?|OS?|°s?|umbers?|UMBERS?|umero|UMERO)(?![A-Za-z])\.?|#) ?:? ?"
_PART = r"[0-9A-Za-z]{1,12}"
_CHAMBER = r"(?:(?:[IVX]{1,4}|[0-9]{1,2}) [A-Z][A-Za-z]{0,3} |[A-Z] )?"
_VALUE = (
    r"(?=(?:[IVX]{1,4} )?[A-Za-z]{0,6}[ /.-]?[0-9])"
    rf"{_CHAMBER}{_PART}(?:[./:-]{_PART}){{0,6}}(?: [A-Z]-[A-Z](?![A-Za-z]))?"
)
_ROLL = r"(?:R\.?G\.?|[Pp]ourvoi|[Pp]arquet|[Mm]inute|[Rr]ole|[Rr]epertoire general)"
_MIN_DIGITS = 4  # fewer is the number of an article, or of a step


_YEAR = re.compile("(?:19|20)[0-9]{2}")


def _has_digits(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= _MIN_DIGITS and not _YEAR.fullmatch(value)


RULES = (
    Rule(
        entity="CASE_NUMBER",
        pattern=re.compile(rf"(?:{_WHOSE}){_NUMBER}({_VALUE}){RIGHT}", re.ASCII),
        first=re.compile(r"(?<= )[Nn][o°uOU]|(?<= )#"),
        check=_has_digits,
        score=IN_CONTEXT,
    ),
    Rule(  # n° RG 11/04432; N° de pourvoi : H 08-44.012
        entity="CASE_NUMBER",
        pattern=re.compile(rf"(?:[Nn]° ?(?:de )?)?{_ROLL} ?(?:[Nn](?:°|o\.?) ?)?:? ?({_VALUE}){RIGHT}", re.ASCII),
        first=re.compile(r"(?:[RPMprm])(?<![0-9A-Za-z].)(?=\.?G|ourvoi|arquet|inute|ole |epertoire)"),
        check=_has_digits,
        score=IN_CONTEXT,
    ),
    Rule(  # the European Court of Human Rights, in citations too
        entity="CASE_NUMBER",
        pattern=re.compile(rf"{LEFT}[Nn](?:os?|°s?)\.? ?(\d{{2,5}}/\d{{2}}){RIGHT}(?!/)", re.ASCII),
        gate=re.compile(r"\d/\d\d"),
        score=DISTINCT,
    ),
    Rule(
        entity="CASE_NUMBER",
        pattern=re.compile(rf"{LEFT}(?<!\d/)(\d{{1,5}}/\d{{2}}){RIGHT}(?!/)", re.ASCII),
        gate=re.compile(r"\d/\d\d"),
        score=IN_CONTEXT,
        context=context(
            *("application no", "applications no", "appl no", "application number", "requete no", "requetes no"),
            *("requete n°", "requetes n°"),
        ),
    ),
    Rule(
        entity="CASE_NUMBER",
        pattern=shape(r"\d{3,5}/\d{2}(?!/)"),
        gate=re.compile(r"\d/\d\d"),
        score=IN_CONTEXT,
        context=context("nos", "n°s"),
    ),
    Rule(  # the federal courts of the United States; the Court of Justice of the European Union
        entity="CASE_NUMBER",
        pattern=shape(
            r"\d{1,2}:\d{2}-(?:cv|cr|mc|mj|md|ap|bk|po)-\d{3,6}(?:-[A-Z]{1,5}){0,4}|[CTF]-\d{1,4}/\d{2}(?: P)?(?!/)",
            ignore_case=True,
        ),
        gate=re.compile(r"\d-[cmabpCMABP]|-\d{1,4}/\d\d"),
        score=DISTINCT,
    ),
    Rule(  # the French Court of Cassation; the dockets of appellate courts
        entity="CASE_NUMBER",
        pattern=re.compile(
            rf"{LEFT}(?:((?:[A-Z] )?\d{{2}}-\d{{2}}\.\d{{3}})|Nos?\. (\d{{2}}-\d{{2,6}}(?:-[A-Z]{{2}})?)){RIGHT}",
            re.ASCII,
        ),
        gate=re.compile(r"\d\d-\d\d"),
        score=DISTINCT,
    ),
)
