"""Identifiers of each type and country: how they are made, what announces them and what they are found as."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.indexer.identifiers.makers import (
    UPPER,
    Groups,
    aba,
    card,
    chosen,
    completed,
    dea,
    digits,
    iban,
    itin,
    licence_gb,
    luhn,
    mbi,
    nhs,
    nino,
    nir,
    npi,
    passport_eu,
    plate_fr,
    plate_gb,
    postcode,
    rib,
    siren,
    siret,
    ssn,
    street_fr,
    street_gb,
    street_us,
    tax_fr,
    utr,
    vin,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One type in one country. `checked`: a wrong checksum is no such identifier, whatever announces it.

    What is `spelt` can be written one character at a time and still be meant; what is `fixed` in no way but its own.
    """

    name: str
    entities: frozenset[str]
    make: Callable[[random.Random], Groups]
    english: str
    french: str
    mark: str = " "
    alone: bool = False
    checked: bool = False
    spelt: bool = True
    fixed: bool = False


def _kind(  # noqa: PLR0913
    name: str,
    entities: str,
    make: Callable[[random.Random], Groups],
    english: str,
    french: str,
    marks: str = " ",
    *,
    alone: bool = False,
    checked: bool = False,
    spelt: bool = True,
    fixed: bool = False,
) -> Kind:
    return Kind(
        name=name,
        entities=frozenset(entities.split()),
        make=make,
        english=english,
        french=french,
        mark=marks,
        alone=alone,
        checked=checked,
        spelt=spelt,
        fixed=fixed,
    )


KINDS: Sequence[Kind] = (
    _kind(
        "card, Visa",
        "CREDIT_CARD",
        lambda r: card(r, "4", 16, 4, 4, 4, 4),
        "Card number:",
        "Carte bancaire n°",
        "-",
        alone=True,
        checked=True,
    ),
    _kind(
        "card, Mastercard",
        "CREDIT_CARD",
        lambda r: card(r, "52", 16, 4, 4, 4, 4),
        "Mastercard",
        "Numéro de carte :",
        "-",
        alone=True,
        checked=True,
    ),
    _kind(
        "card, Amex",
        "CREDIT_CARD",
        lambda r: card(r, "37", 15, 4, 6, 5),
        "American Express card",
        "Carte de crédit :",
        alone=True,
        checked=True,
    ),
    _kind(
        "IBAN, GB",
        "IBAN_CODE",
        iban("GB", lambda r: "NWBK" + digits(r, 14)),
        "IBAN:",
        "IBAN :",
        alone=True,
        checked=True,
    ),
    _kind(
        "IBAN, FR",
        "IBAN_CODE",
        iban("FR", lambda r: "".join(rib(r))),
        "The IBAN is",
        "Coordonnées bancaires :",
        alone=True,
        checked=True,
    ),
    _kind(
        "IBAN, DE", "IBAN_CODE", iban("DE", lambda r: digits(r, 18)), "Pay to", "Virement sur", alone=True, checked=True
    ),
    _kind(
        "BIC",
        "BIC",
        chosen("NWBKGB2L", "BNPAFRPPXXX", "CHASUS33", "DEUTDEFF###"),
        "SWIFT code:",
        "code BIC :",
        spelt=False,
    ),
    _kind("account, GB", "BANK_ACCOUNT", chosen("#### ####"), "Account number:", "Numéro de compte :"),
    _kind("sort code, GB", "UK_SORT_CODE", chosen("## ## ##"), "Sort code:", "Sort code :", "-"),
    _kind("RIB, FR", "BANK_ACCOUNT", rib, "French bank details (RIB):", "RIB :", alone=True, checked=True),
    _kind("routing number, US", "US_ABA_ROUTING", aba, "Routing number:", "Code ABA :", checked=True),
    _kind("NHS number, GB", "UK_NHS", nhs, "NHS number:", "Numéro NHS :", "-", checked=True),
    _kind(
        "National Insurance, GB",
        "UK_NINO",
        nino,
        "National Insurance number",
        "Numéro d'assurance nationale",
        alone=True,
    ),
    _kind("UTR, GB", "UK_UTR", utr, "UTR:", "UTR :"),
    _kind("UTR, GB, checked", "UK_UTR", utr, "Self Assessment reference", "HMRC, référence"),
    _kind(
        "driving licence, GB", "UK_DRIVING_LICENCE", licence_gb, "Driving licence:", "Permis britannique :", alone=True
    ),
    _kind("passport, GB", "PASSPORT", chosen("#########"), "Passport no.", "Passeport n°"),
    _kind("postcode, GB", "UK_POSTCODE", postcode, "Postcode:", "Adresse à Londres,", alone=True, spelt=False),
    _kind(
        "phone, GB",
        "PHONE_NUMBER",
        chosen("020 7946 0###", "07700 900###", "0161 496 0###"),
        "Tel:",
        "Tél. :",
        alone=True,
    ),
    _kind("plate, GB", "LICENCE_PLATE", plate_gb, "Vehicle registration", "Plaque d'immatriculation", spelt=False),
    _kind("address, GB", "ADDRESS UK_POSTCODE", street_gb, "He lives at", "Adresse :", alone=True, spelt=False),
    _kind("NIR, FR", "FR_NIR", nir, "Social security number:", "Sécurité sociale :", alone=True),
    _kind("SIREN, FR", "FR_SIREN", siren, "SIREN number", "SIREN :", checked=True),
    _kind("SIRET, FR", "FR_SIRET", siret, "SIRET:", "N° SIRET :", checked=True),
    _kind("tax number, FR", "FR_TAX_NUMBER", tax_fr, "French tax number:", "Numéro fiscal :", checked=True),
    _kind("identity card, FR", "FR_CNI", chosen("############", "X#@##@@#@"), "Identity card", "CNI n°", spelt=False),
    _kind("passport, FR", "PASSPORT", passport_eu, "French passport", "Passeport n°", spelt=False),
    _kind(
        "driving licence, FR",
        "FR_DRIVING_LICENCE US_DRIVER_LICENSE",
        passport_eu,
        "Driving licence",
        "Permis de conduire n°",
        spelt=False,
    ),
    _kind(
        "phone, FR",
        "PHONE_NUMBER",
        chosen("06 ## ## ## ##", "01 ## ## ## ##"),
        "Phone:",
        "Téléphone :",
        ".",
        alone=True,
    ),
    _kind("plate, FR", "LICENCE_PLATE", plate_fr, "Licence plate", "Immatriculation :", "-", spelt=False),
    _kind("address, FR", "ADDRESS", street_fr, "Address:", "Domicilié au", alone=True, spelt=False),
    _kind(
        "postcode, FR",
        "FR_POSTCODE",
        chosen("750##", "1310#", "3500#"),
        "French postcode",
        "Code postal :",
        spelt=False,
    ),
    _kind("SSN, US", "US_SSN", ssn, "SSN", "Numéro SSN :", "-"),
    _kind("ITIN, US", "US_ITIN", itin, "ITIN:", "ITIN américain :", "-"),
    _kind("EIN, US", "US_EIN", chosen("## #######"), "EIN", "Numéro EIN :", "-"),
    _kind(
        "driver licence, US",
        "US_DRIVER_LICENSE FR_DRIVING_LICENCE",
        chosen("@#######", "@### #### ####"),
        "Driver's license:",
        "Permis de conduire n°",
        "-",
        spelt=False,
    ),
    _kind(
        "passport, US",
        "PASSPORT",
        chosen("@########", "#########"),
        "U.S. passport number",
        "Passeport américain n°",
        spelt=False,
    ),
    _kind("phone, US", "PHONE_NUMBER", chosen("212 555 01##", "415 555 01##"), "Call", "Appeler le", "-"),
    _kind("NPI, US", "US_NPI", npi, "NPI:", "Identifiant NPI", "-", checked=True),
    _kind("MBI, US", "US_MBI", mbi, "Medicare number", "Numéro Medicare :", "-", alone=True),
    _kind("DEA, US", "US_DEA", dea, "DEA no.", "Numéro DEA :", alone=True, checked=True),
    _kind("VIN, US", "VEHICLE_ID", vin, "VIN", "Numéro de châssis :", alone=True),
    _kind("record number, US", "MEDICAL_RECORD", chosen("0#######", "@@ ######"), "MRN:", "Identifiant patient :", "-"),
    _kind("record number, FR", "MEDICAL_RECORD", chosen("8#########", "########"), "Hospital number", "IPP :"),
    _kind("health plan, US", "HEALTH_PLAN", chosen("@@@#########", "#########"), "Member ID:", "Numéro d'adhérent :"),
    _kind("licence, profession", "PROFESSIONAL_LICENCE", chosen("100########", "#######"), "License number", "RPPS :"),
    _kind("ZIP, US", "US_ZIP", chosen("1####", "9####"), "ZIP code:", "Code ZIP", spelt=False),
    _kind("ZIP+4, US", "US_ZIP", chosen("1####-####", "9####-####"), "ZIP+4:", "Code ZIP", "-", fixed=True),
    _kind("address, US", "ADDRESS US_ZIP", street_us, "Mail to", "Adresse :", alone=True, spelt=False),
    _kind("PO box", "ADDRESS", lambda r: [f"PO Box {digits(r, 4)}"], "Write to", "Adresse postale :", ".", fixed=True),
    _kind("IMEI", "DEVICE_ID", lambda r: [completed(digits(r, 14, "3"), luhn)], "IMEI", "Code IMEI", checked=True),
    _kind(
        "e-mail",
        "EMAIL_ADDRESS",
        lambda r: [f"{r.choice(('ann.', 'j.dupont'))}{digits(r, 3)}@{r.choice(('example.com', 'exemple.fr'))}"],
        "Write to",
        "Écrire à",
        alone=True,
        fixed=True,
    ),
    _kind("birth date", "DATE_OF_BIRTH", chosen("1#/0#/198#", "1#-0#-1975"), "Date of birth:", "Né le", spelt=False),
    _kind("age over 89", "AGE", chosen("9#"), "a woman aged", "âgée de", spelt=False),
    _kind(
        "AWS key",
        "SECRET",
        lambda r: ["AKIA" + "".join(r.choices(UPPER + "234567", k=16))],
        "key",
        "clé",
        alone=True,
        fixed=True,
    ),
    _kind(
        "AWS secret",
        "SECRET",
        lambda r: ["a1" + chosen("*" * 38)(r)[0]],
        "aws_secret_access_key =",
        "AWS, clé secrète :",
        fixed=True,
    ),
    _kind("GitHub token", "SECRET", chosen("ghp_" + "*" * 36), "token", "jeton", alone=True, fixed=True),
    _kind(
        "Azure key",
        "SECRET",
        chosen("*" * 86 + "=="),
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=",
        "chaîne de connexion : AccountName=a;AccountKey=",
        fixed=True,
    ),
    _kind(
        "Azure secret",
        "SECRET",
        lambda r: [chosen("***8Q")(r)[0] + "~" + chosen("*" * 34)(r)[0]],
        "client",
        "valeur",
        alone=True,
        fixed=True,
    ),
    _kind(
        "GCP key id",
        "SECRET",
        chosen("~" * 40),
        '{"type": "service_account", "private_key_id": "',
        'fichier : "private_key_id": "',
        fixed=True,
    ),
    _kind("password", "SECRET", chosen("S#cr***t#"), "password=", "mot de passe :", fixed=True),
    _kind("connection string", "SECRET", lambda r: [f"ann:S{digits(r, 5)}x"], "postgresql://", "amqp://", fixed=True),
)
"""Every kind. What is `spelt` can be written one character at a time and still be meant."""
