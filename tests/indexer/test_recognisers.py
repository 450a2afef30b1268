"""Each identifier: what is found, what is not, and on what grounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.recognisers import ENTITIES, PROFILES, RULES
from indexer.recognisers.canonical import canonical
from indexer.recognisers.fold import BLANK, BREAK, fold, folder
from indexer.recognisers.rule import Rule, luhn


def found(text: str) -> set[tuple[str, str]]:
    plain = fold(text, folder(ENTITIES))
    return {
        (rule.entity, text[slice(*plain.origin(hit.start, hit.end))])
        for rule in RULES
        if rule.entity not in {"DATE", "URL"}
        for hit in rule.find(plain.text)
    }


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("Write to Ann.O'Brien+news@mail.example.co.uk.", "EMAIL_ADDRESS", "Ann.O'Brien+news@mail.example.co.uk"),
        ("mailto:ann@example.com?subject=x", "EMAIL_ADDRESS", "ann@example.com"),
        ("https://x.example/?mail=ann%40example.com&a=1", "EMAIL_ADDRESS", "ann%40example.com"),
        ("ann (at) example (dot) com", "EMAIL_ADDRESS", "ann (at) example (dot) com"),
        ("écrire à rené@exemple.fr", "EMAIL_ADDRESS", "rené@exemple.fr"),
        ("x@y@ann@example.com", "EMAIL_ADDRESS", "x@y@ann@example.com"),
        ("call 020 7946 0958 now", "PHONE_NUMBER", "020 7946 0958"),
        ("(0161) 496 0123", "PHONE_NUMBER", "(0161) 496 0123"),
        ("07700 900123", "PHONE_NUMBER", "07700 900123"),
        ("+44 (0)20 7946 0958, 24 hours", "PHONE_NUMBER", "+44 (0)20 7946 0958"),
        ("+33 6 12 34 56 78 24", "PHONE_NUMBER", "+33 6 12 34 56 78"),
        ("0033 6 12 34 56 78", "PHONE_NUMBER", "0033 6 12 34 56 78"),
        ("01.23.45.67.89", "PHONE_NUMBER", "01.23.45.67.89"),
        ("0612345678", "PHONE_NUMBER", "0612345678"),
        ("(212) 555-0123", "PHONE_NUMBER", "(212) 555-0123"),
        ("212.555.0123", "PHONE_NUMBER", "212.555.0123"),
        ("(978)645-9740x11144", "PHONE_NUMBER", "(978)645-9740x11144"),
        ("020 7946 0958 ext. 12", "PHONE_NUMBER", "020 7946 0958 ext. 12"),
        ("Phone: 2125550123", "PHONE_NUMBER", "2125550123"),
        ("Téléphone : 6 12 34 56 78", "PHONE_NUMBER", "6 12 34 56 78"),
        ("+49 30 901820", "PHONE_NUMBER", "+49 30 901820"),
        ("(0161)4960123", "PHONE_NUMBER", "(0161)4960123"),
        ("Tel. 555 0123", "PHONE_NUMBER", "555 0123"),
        ("Ann Lee|ann@example.com|020 74960881|1997-03-20", "PHONE_NUMBER", "020 74960881"),
        ("Ann Lee,ann@example.com,4356027272\nBob Day,bob@example.com,2404033551", "PHONE_NUMBER", "4356027272"),
        ("Card 4222222222222 expires", "CREDIT_CARD", "4222222222222"),
        ("3088000000000009", "CREDIT_CARD", "3088000000000009"),
        ("Card 060435310739 of", "CREDIT_CARD", "060435310739"),  # no network is known to issue it
        ("Card: 3518 9179 7467 7662", "CREDIT_CARD", "3518 9179 7467 7662"),
        ("id 123e4567-e89b-12d3-a456-426614174000.", "UUID", "123e4567-e89b-12d3-a456-426614174000"),
        ("CV_07700900123_final.pdf", "PHONE_NUMBER", "07700900123"),
        ("IBAN GB29 NWBK 6016 1331 9268 19", "IBAN_CODE", "GB29 NWBK 6016 1331 9268 19"),
        ("fr7630006000011234567890189", "IBAN_CODE", "fr7630006000011234567890189"),
        ("AB12 GB29 NWBK 6016 1331 9268 19 2 days", "IBAN_CODE", "GB29 NWBK 6016 1331 9268 19"),
        ("card 4111 1111 1111 1111 123", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("2024 4111-1111-1111-1111", "CREDIT_CARD", "4111-1111-1111-1111"),
        ("378282246310005", "CREDIT_CARD", "378282246310005"),
        ("2223 0031 2200 3222", "CREDIT_CARD", "2223 0031 2200 3222"),
        ("BIC/SWIFT: BNPAFRPPXXX", "BIC", "BNPAFRPPXXX"),
        ("code BIC : NWBKGB2L", "BIC", "NWBKGB2L"),
        ("Account number: 12345678", "BANK_ACCOUNT", "12345678"),
        ("Numéro de compte : 00012345678", "BANK_ACCOUNT", "00012345678"),
        ("0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("943 476 5919", "UK_NHS", "943 476 5919"),
        ("NHS no. 9434765919", "UK_NHS", "9434765919"),
        ("Numéro NHS : 943-476-5919", "UK_NHS", "943-476-5919"),
        ("AB123456C", "UK_NINO", "AB123456C"),
        ("ab 12 34 56 c", "UK_NINO", "ab 12 34 56 c"),
        ("AB\u200912\u200934\u200956\u2009C", "UK_NINO", "AB\u200912\u200934\u200956\u2009C"),
        ("АВ12\u20113456\u200bС", "UK_NINO", "АВ12\u20113456\u200bС"),  # Cyrillic letters
        ("Sort code 12-34-56", "UK_SORT_CODE", "12-34-56"),
        ("MORGA 657054 SM9IJ", "UK_DRIVING_LICENCE", "MORGA 657054 SM9IJ"),
        ("morga657054sm9ij35", "UK_DRIVING_LICENCE", "morga657054sm9ij35"),
        ("UTR: 12345 67890", "UK_UTR", "12345 67890"),
        ("London SW1A 1AA", "UK_POSTCODE", "SW1A 1AA"),
        ("who lives in m1 1ae", "UK_POSTCODE", "m1 1ae"),
        ("Adresse : EC1A1BB", "UK_POSTCODE", "EC1A1BB"),
        ("219-09-9999", "US_SSN", "219-09-9999"),
        ("Social Security no. 219099999", "US_SSN", "219099999"),
        ("912-70-1234", "US_ITIN", "912-70-1234"),
        ("ITIN 912 70 1234", "US_ITIN", "912 70 1234"),
        ("routing number 021000021", "US_ABA_ROUTING", "021000021"),
        ("Driver's License: D123-4567-8901", "US_DRIVER_LICENSE", "D123-4567-8901"),
        ("Driver’s licence D1234567", "US_DRIVER_LICENSE", "D1234567"),
        ("Permis de conduire n° 12AA34567", "FR_DRIVING_LICENCE", "12AA34567"),
        ("1 80 05 69 123 456 92", "FR_NIR", "1 80 05 69 123 456 92"),
        ("180052A12345684", "FR_NIR", "180052A12345684"),
        ("Sécurité sociale : 1800569123456", "FR_NIR", "1800569123456"),
        ("732 829 320 00074", "FR_SIRET", "732 829 320 00074"),
        ("SIRET 73282932000074", "FR_SIRET", "73282932000074"),
        ("SIRET 35600000049837", "FR_SIRET", "35600000049837"),  # La Poste: not Luhn
        ("SIREN : 732 829 320", "FR_SIREN", "732 829 320"),
        ("732 829 320 RCS Paris", "FR_SIREN", "732 829 320"),
        ("Carte d’identité n° X4RTBPFW4", "FR_CNI", "X4RTBPFW4"),
        ("CNI 880692310285", "FR_CNI", "880692310285"),
        ("Passport no. 912803456", "PASSPORT", "912803456"),
        ("Passeport n° 12AB34567", "PASSPORT", "12AB34567"),
        ("born in Paris on 3 May 1980", "DATE_OF_BIRTH", "3 May 1980"),
        ("DOB 12/03/80", "DATE_OF_BIRTH", "12/03/80"),
        ("Née le 1er août 1975", "DATE_OF_BIRTH", "1er août 1975"),
        ("ne\u0301(e) le 12-03-1980", "DATE_OF_BIRTH", "12-03-1980"),
        ("date_of_birth: 1980-03-12", "DATE_OF_BIRTH", "1980-03-12"),
        ("a woman of 94, aged 94", "AGE", "94"),
        ("homme de 91 ans, âgé de 91 ans", "AGE", "91"),
        ("a 92-year-old", "AGE", "92"),
        ("New York, NY 10118-1234", "US_ZIP", "10118-1234"),
        ("P<GBRLEE<<ANN" + "<" * 31, "PASSPORT", "P<GBRLEE<<ANN" + "<" * 31),
        (
            '"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQ=\\n-----END PRIVATE KEY-----\\n"',
            "SECRET",
            "-----BEGIN PRIVATE KEY-----\\nMIIEvQ=\\n-----END PRIVATE KEY-----",
        ),
        ("AWS secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "SECRET", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AKIAIOSFODNN7EXAMPLE", "SECRET", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_" + "a1B2" * 9, "SECRET", "ghp_" + "a1B2" * 9),
        ("xoxb-123456789012-abcdefABCDEF", "SECRET", "xoxb-123456789012-abcdefABCDEF"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "SECRET", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"),
        ("DB_PASSWORD=hunter", "SECRET", "hunter"),
        ('{"password": "correct horse"}', "SECRET", "correct horse"),
        ("mot de passe : Soleil!", "SECRET", "Soleil!"),
        ("your password is Tr0ub4dor", "SECRET", "Tr0ub4dor"),
        ("Server=db;User Id=sa;Password=S3cr3t;", "SECRET", "S3cr3t"),
        ("postgresql://ann:pa55@db.example/x", "SECRET", "ann:pa55"),
        ("https://x.example/?access_token=abc123def&a=1", "SECRET", "abc123def"),
        ("Authorization: Bearer abcdefgh12345678ij", "SECRET", "abcdefgh12345678ij"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
            "SECRET",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        ),
    ],
)
def test_it_is_found(text: str, entity: str, value: str) -> None:
    assert (entity, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "GB29 NWBK 6016 1331 9268 18",  # checksum
        "4111 1111 1111 1112",
        "9999 9999 9999 9995",  # no network issues it
        "143 476 5918",
        "9434765919",  # ten bare digits, unannounced
        "2125550123",
        "1 80 05 69 123 456 91",
        "732 829 320",
        "732 829 320 00075",
        "20240315123045",
        "BG123456C",  # a prefix never issued
        "000-12-3456",
        "912-03-1234",
        "021000021",
        "passports are renewed after 10 years",
        "The swift DOCUMENT",
        "Invoice INV-2024-00123 of 12/03/2024, total 1,234.56 EUR, order 4500012345",
        "See section 3.4.12, table 7-1, ISO 9001:2015, RFC 5321 and part no. AB-1234-C",
        "in s3 2nd, an E5 4GB node, M1 and W3",
        "Mon anniversaire est le 3 mai",
        "Password: must be at least eight characters",
        "the token: a unit of text",
        "meet @ noon, @ann, ann@, @example.com",
        "https://example.com/isbn=0966103254 and 194.125.156.67",
        "ISBN 978-0-306-40615-7, EAN 4006381333931",
        "[EMAIL_ADDRESS_abcdefghijklmnopabcd]",
        "2019 2020 2021 2022 2023",
        "01/02/2024 10:30",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert found(text) == set()


def test_numbers_in_a_column_are_all_found() -> None:
    numbers = ("020 7946 0958", "0161 496 0123", "07700 900123")
    assert found(" ".join(numbers)) == {("PHONE_NUMBER", number) for number in numbers}
    sorts = ("11-22-33", "44-55-66", "77-88-99")
    assert found("Name Sort code\nAnn " + "\nBob ".join(sorts)) == {("UK_SORT_CODE", code) for code in sorts}


def test_context_does_not_reach_across_what_is_redacted() -> None:
    assert found("Passport [EMAIL_ADDRESS_abcdefghijklmnopabcd] 912803456") == set()


def test_no_rule_matches_a_blank_or_a_break() -> None:
    for mark in (BLANK, BREAK):
        for before, after in (
            ("password=", ""),
            ("://ann:", "@host"),
            ("token: ", "abc12345"),
            ("ann", "@example.com"),
        ):
            text = f"{before}{mark}{after}"
            assert all(mark not in text[hit.start : hit.end] for rule in RULES for hit in rule.find(text))


def test_folding_keeps_the_way_back() -> None:
    text = "a\u200bﬁ\u00a0é[EMAIL_ADDRESS_abcdefghijklmnopabcd]1\u2011２\r\n²"
    plain = fold(text, folder(["EMAIL_ADDRESS"]))
    assert plain.text == f"afi e{BLANK}1-2\n\n "
    assert [text[slice(*plain.origin(place, place + 1))] for place in range(len(plain.text))] == [
        *("a", "ﬁ", "ﬁ", "\u00a0", "é", "[EMAIL_ADDRESS_abcdefghijklmnopabcd]", "1", "\u2011", "２", "\r", "\n", "²")
    ]


def test_profiles_grow() -> None:
    assert PROFILES["none"] == frozenset()
    assert PROFILES["none"] < PROFILES["identifiers"] < PROFILES["balanced"] < PROFILES["strict"]
    assert PROFILES["balanced"] - PROFILES["identifiers"] == {
        *("PERSON", "ADDRESS", "EMAIL_ADDRESS", "PHONE_NUMBER", "DATE_OF_BIRTH"),
        *("UK_POSTCODE", "FR_POSTCODE", "US_ZIP"),
    }
    traces = {"IP_ADDRESS", "MAC_ADDRESS", "DEVICE_ID", "DATE", "AGE", "LOCATION", "ORGANIZATION", "URL", "UUID"}
    assert PROFILES["strict"] - PROFILES["balanced"] == traces


def test_luhn_finds_any_single_wrong_digit() -> None:
    digits = "4111111111111111"
    wrong = [
        digits[:at] + other + digits[at + 1 :] for at in range(16) for other in "0123456789" if other != digits[at]
    ]
    assert luhn(digits)
    assert not any(map(luhn, wrong))


@pytest.mark.parametrize(
    ("entity", "spellings", "one"),
    [
        ("EMAIL_ADDRESS", ["Ann@Example.com", "ann [at] example (dot) com", "ann%40example.com"], "ann@example.com"),
        ("PHONE_NUMBER", ["020 7946 0958", "+44 (0)20 7946 0958", "02079460958"], "+442079460958"),
        ("PHONE_NUMBER", ["06 12 34 56 78", "+33612345678", "0033 6 12 34 56 78"], "+33612345678"),
        ("PHONE_NUMBER", ["(212) 555-0123", "+1 212.555.0123", "212-555-0123x12"], "+12125550123"),
        ("UK_NINO", ["AB 12 34 56 C", "ab123456c", "AB\u200912\u20113456C"], "AB123456C"),
        ("DATE_OF_BIRTH", ["12 March 1980", "12/03/1980", "1980-03-12", "March 12, 1980", "12 mars 1980"], "12-3-1980"),
        ("DATE_OF_BIRTH", ["12/03/1980", "1980-03-12T00:00:00Z", "1980-03-12 00:00"], "12-3-1980"),
        ("DATE", ["3/25/2020", "25/3/2020", "25 mars 2020"], "25-3-2020"),
        ("IBAN_CODE", ["gb29 nwbk 6016 1331 9268 19"], "GB29NWBK60161331926819"),
        ("SECRET", ["Hunter2 "], "Hunter2 "),
    ],
)
def test_spellings_of_one_value_are_one(entity: str, spellings: list[str], one: str) -> None:
    assert {canonical(entity, spelling) for spelling in spellings} == {one}


def test_secrets_that_differ_in_case_are_two() -> None:
    assert canonical("SECRET", "hunter2") != canonical("SECRET", "Hunter2")


def only(entity: str, text: str) -> list[str]:
    return [text[hit.start : hit.end] for rule in RULES if rule.entity == entity for hit in rule.find(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("See https://x.example/a?b=1#c.", "https://x.example/a?b=1#c"),
        ("(ftp://files.example/pub/)", "ftp://files.example/pub/"),
        ("at www.example.museum, daily", "www.example.museum"),
        ("ask mill-lane.co.uk/about or", "mill-lane.co.uk/about"),
        ("host db-1.intra.example.com:5432 down", "db-1.intra.example.com:5432"),
        ("Write to exemple.fr.", "exemple.fr"),
    ],
)
def test_a_web_address_is_found(text: str, value: str) -> None:
    assert set(only("URL", text)) == {value}


@pytest.mark.parametrize(
    "text",
    [
        *("README.md, main.py, setup.sh and node.js", "ASP.NET, System.Net and java.net.URL", "logger.info(x)"),
        *(
            "ann@example.com",
            "ann@\nexample.com",
            "version 1.2.3.",
            "e.g. this, i.e. that",
            "done.For us",
            "org.example.com.Main",
        ),
    ],
)
def test_file_names_and_code_are_no_web_address(text: str) -> None:
    assert only("URL", text) == []


@pytest.mark.parametrize(
    "instant",
    ["1997-12-23T22:31:18+00:00", "2000-04-16 11:34:35", "2000-04-16T11:34Z", "2000-04-16 11:34:35.123 UTC"],
)
def test_a_date_is_hidden_with_its_time(instant: str) -> None:
    assert only("DATE", f"At {instant}, it rained") == [instant]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("at 48 Oak Drive Suite 245\nAnytown, IL 62701.", ["48 Oak Drive Suite 245\nAnytown, IL 62701"]),
        ("at 310 Fifth Ave, 12th Floor, daily", ["310 Fifth Ave, 12th Floor"]),
        ("PSC 1234, Box 5678\nAPO AA 34035", ["PSC 1234, Box 5678\nAPO AA 34035"]),
        ("Unit 7891 Box 3342\nDPO AP 96521", ["Unit 7891 Box 3342\nDPO AP 96521"]),
        ("USNS Comfort\nFPO AE 09517", ["USNS Comfort\nFPO AE 09517"]),
        ("9 rue des Lilas\nAppt 4\n69003 Lyon\nFrance", ["9 rue des Lilas\nAppt 4\n69003 Lyon\nFrance"]),
        ("Bat B, 3e etage, 12 rue de la Paix", ["Bat B, 3e etage", "12 rue de la Paix"]),
        (f"{BLANK},\nUSA", ["USA"]),
        (f"{BLANK}\nAnytown, IL {BLANK}", ["Anytown, IL "]),
        ("in France, on the 3rd Floor of Unit 4", []),
    ],
)
def test_an_address_has_its_unit_its_post_office_and_its_country(text: str, values: list[str]) -> None:
    assert sorted(only("ADDRESS", text)) == sorted(values)


ANNOUNCED = [rule for rule in RULES if isinstance(rule, Rule) and rule.context]


SEPARATORS = ["number", "no", "a", "n", "s", " ", "  ", "-", "_", ".", ":", "\n"]


@given(st.sampled_from(ANNOUNCED), st.lists(st.integers(0, 99), max_size=30))
def test_a_context_is_found_wherever_its_pattern_is(rule: Rule, choices: list[int]) -> None:
    assert rule.context is not None
    pieces = [*sorted(rule.context.words), *SEPARATORS]
    text = "".join(pieces[choice % len(pieces)] for choice in choices)
    matches = rule.context.pattern.finditer(text)
    assert [match.span() for match in rule.context.find(text)] == [match.span() for match in matches]
