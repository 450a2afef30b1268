"""Accounts and cards."""

from collections.abc import Mapping
from types import MappingProxyType

from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, MIXED, NUMBER, Rule, context, luhn, shape

# Length by country: SWIFT, IBAN Registry.
_IBAN_COUNTRIES: Mapping[int, str] = MappingProxyType(
    {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }
)
_IBAN = "|".join(
    rf"(?:{countries.replace(' ', '|')})[ .-]{{0,2}}\d{{2}}(?:[ .-]{{0,2}}[0-9A-Z]){{{length - 4}}}"
    for length, countries in _IBAN_COUNTRIES.items()
)
_ISO_3166 = (
    "A[DEFGILMOQRSTUWXZ]|B[ABDEFGHIJLMNOQRSTVWYZ]|C[ACDFGHIKLMNORUVWXYZ]|D[EJKMOZ]|E[CEGHRST]|F[IJKMOR]|"
    "G[ABDEFGHILMNPQRSTUWY]|H[KMNRTU]|I[DELMNOQRST]|J[EMOP]|K[EGHIMNPRWYZ]|L[ABCIKRSTUVY]|"
    "M[ACDEFGHKLMNOPQRSTUVWXYZ]|N[ACEFGILOPRUZ]|OM|P[AEFGHKLMNRSTWY]|QA|R[EOSUW]|S[ABCDEGHIJKLMNORSTVXYZ]|"
    "T[CDFGHJKLMNORTVWZ]|U[AGMSYZ]|V[ACEGINU]|W[FS]|XK|Y[ET]|Z[AMW]"
)
# Discover Global Network, IIN ranges: what JCB issues, with its older ranges.
_JCB = frozenset(
    {*range(3088, 3095), *range(3096, 3103), *range(3112, 3121), 3158, 3159, *range(3337, 3350), *range(3528, 3590)}
)
_RIB_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")


def _is_iban(value: str) -> bool:
    """ISO 13616: 1 modulo 97, country and check digits moved to the end, letters as 10 to 35."""
    return int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 == 1


def _is_card(digits: str) -> bool:
    """Luhn, and a length and prefix that a network issues (ISO/IEC 7812-1; the networks' published ranges).

    Visa's old 13 digits are for a context: they are the shape of every EAN-13 that begins with 4.
    """
    two, four = int(digits[:2]), int(digits[:4])
    match len(digits):
        case 13:
            issued = two in range(40, 50)
        case 14:
            issued = two in {36, 38, 39} or four in {*range(3000, 3060), 3095}
        case 15:
            issued = two in {34, 37} or four in {1800, 2131}
        case 16:
            issued = two in {*range(40, 50), *range(51, 56)} or four in range(2221, 2721) or _is_long_card(two, four)
        case 19:
            issued = two in range(40, 50) or _is_long_card(two, four)
        case _:
            issued = _is_long_card(two, four)
    return issued and luhn(digits)


def _is_rib(value: str) -> bool:
    """Banque de France: bank, branch and account, weighted 89, 15 and 3, and the key sum to 0 modulo 97.

    Letters count as the digits that a telephone keypad of the time gave them: A, J are 1, B, K, S are 2.
    """
    digits = value.translate(_RIB_DIGITS)
    bank, branch, account, key = int(digits[:5]), int(digits[5:10]), int(digits[10:21]), int(digits[21:])
    return (89 * bank + 15 * branch + 3 * account + key) % 97 == 0 and bank > 0


def _is_long_card(two: int, four: int) -> bool:
    """Networks that issue 16 to 19 digits: UnionPay, Discover, JCB, Maestro."""
    maestro = {5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763}
    return two in {62, 64, 65} or four in {6011, *_JCB, *maestro}


_CARD = context(
    *("card", "card number", "credit card", "debit card", "carte", "carte bancaire", "numero de carte"),
    *("n° de carte", "carte de credit", "visa", "mastercard", "amex", "american express"),
)

RULES = (
    Rule(
        entity="IBAN_CODE",
        pattern=shape(rf"(?=[A-Z]{{2}}[ .-]{{0,2}}\d{{2}})(?:{_IBAN})", ignore_case=True),
        first=MIXED,
        score=CHECKED,
        check=_is_iban,
    ),
    Rule(
        entity="CREDIT_CARD",
        pattern=shape(r"\d{4}(?:[ .-]{1,2}\d{4}){3}|\d{4}[ .-]{1,2}\d{6}[ .-]{1,2}\d{4,5}|\d{14,19}"),
        first=NUMBER,
        score=CHECKED,
        check=_is_card,
    ),
    Rule(  # apart from the 16, because a card's three digits of verification follow it as well
        entity="CREDIT_CARD",
        pattern=shape(r"\d{4}(?:[ .-]{1,2}\d{4}){3}[ .-]{1,2}\d{3}"),
        first=NUMBER,
        score=CHECKED,
        check=_is_card,
    ),
    Rule(  # in pairs, or however it was cut
        entity="CREDIT_CARD",
        pattern=shape(r"\d(?:[ .-]{0,3}\d){12,18}"),
        score=CHECKED,
        check=_is_card,
        context=_CARD,
    ),
    Rule(  # of an issuer that is not known, unless it is something that is
        entity="CREDIT_CARD",
        pattern=shape(r"\d{12,19}|\d{4}(?:[ -]\d{4}){3}"),
        score=DISTINCT,
        check=luhn,
        context=_CARD,
    ),
    Rule(
        entity="BANK_ACCOUNT",
        pattern=shape(r"\d{5}[ -]?\d{5}[ -]?[0-9A-Z]{11}[ -]?\d{2}"),
        first=NUMBER,
        score=CHECKED,
        check=_is_rib,
    ),
    Rule(
        entity="BIC",
        pattern=shape(rf"[A-Z]{{4}}(?:{_ISO_3166})[0-9A-Z]{{2}}(?:[0-9A-Z]{{3}})?"),
        score=IN_CONTEXT,
        context=context("bic", "swift:", "swift :", "swift code", "code swift", "bic code", "code bic", "iban"),
    ),
    Rule(
        entity="BANK_ACCOUNT",
        pattern=shape(r"\d{6,17}|\d{4} \d{4}|\d{2}-?\d{6}"),
        score=IN_CONTEXT,
        context=context(
            *("account number", "account num", "account no", "acct no", "acc no", "a/c no", "a/c number", "a/c"),
            *("bank account", "numero de compte", "no de compte", "n° de compte", "compte bancaire", "compte n°"),
        ),
    ),
    Rule(entity="CRYPTO", pattern=shape("0x[0-9a-fA-F]{40}"), score=DISTINCT, words=("0x",)),
)
