"""Text such as a company keeps, with invented personal data in it: letters, records, tables, logs and plain prose."""

import csv
import io
import random
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from faker import Faker

SAMPLES = Path("data-samples/documents")
MIN_PARAGRAPH_CHARACTERS = 80
DOCUMENT_CHARACTERS = 4000
LOCALES = ("en_GB", "en_US", "fr_FR")

Block = str
"""A paragraph, or a table as its lines."""


class Writer:
    """Writes blocks of text, the same ones for the same seed, no block twice but for the prose of the samples."""

    def __init__(self, *, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the same text each time, not a secret
        self._fakers = {locale: Faker(locale) for locale in LOCALES}
        for faker in self._fakers.values():
            faker.seed_instance(seed)
        self._prose = _prose()
        self._kinds: Sequence[Callable[[], Block]] = (
            *(self._plain,) * 6,
            *(self._mention,) * 3,
            self._letter,
            self._record,
            self._table,
            self._log,
            self._account,
        )

    def document(self, characters: int) -> list[Block]:
        """Blocks that come to as many characters; the last is cut where it must."""
        blocks: list[Block] = []
        missing = characters
        while missing > 0:
            block = self._chance.choice(self._kinds)()[:missing]
            blocks.append(block)
            missing -= len(block) + 2
        return blocks

    def _one(self) -> Faker:
        return self._fakers[self._chance.choice(LOCALES)]

    def _instant(self) -> datetime:
        """Not Faker's, which depends on the present."""
        return datetime.fromtimestamp(self._chance.randrange(1_700_000_000), UTC)

    def _plain(self) -> Block:
        return self._chance.choice(self._prose)

    def _mention(self) -> Block:
        fake = self._one()
        said = self._chance.choice(
            (
                f"On {self._instant():%d/%m/%Y} {fake.name()} of {fake.company()} wrote to {fake.name()} about it. ",
                f"Ask {fake.first_name()} ({fake.ascii_email()}) before you change anything. ",
                f"The site at {fake.street_address()}, {fake.postcode()} {fake.city()}, is kept by {fake.name()}. ",
                f"Call {fake.phone_number()} and ask for {fake.last_name()}, who knows the machine. ",
            )
        )
        return said + self._plain()

    def _letter(self) -> Block:
        fake = self._one()
        return (
            f"{fake.name()}\n{fake.address()}\nPhone: {fake.phone_number()}\nE-mail: {fake.ascii_email()}\n\n"
            f"Dear {fake.last_name()},\n\n{self._plain()}\n\nYours sincerely,\n{fake.name()}"
        )

    def _record(self) -> Block:
        fake, american, british = self._one(), self._fakers["en_US"], self._fakers["en_GB"]
        digits = "".join(self._chance.choices(string.digits, k=8))
        return (
            f"Name: {fake.name()}\nDate of birth: {self._instant():%d/%m/%Y}\n"
            f"Passport: {self._chance.choice(string.ascii_uppercase)}{digits}\nSSN: {american.ssn()}\n"
            f"NHS number: {self._nhs_number()}\nNational Insurance: {british.bothify('??######?').upper()}\n"
            f"Driver's license: {american.bothify('?#######').upper()}\nITIN: {american.itin()}"
        )

    def _nhs_number(self) -> str:
        while True:
            digits = self._chance.choices(range(10), k=9)
            check = (11 - sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11) % 11
            if check < 10:
                number = "".join(map(str, (*digits, check)))
                return f"{number[:3]} {number[3:6]} {number[6:]}"

    def _table(self) -> Block:
        fake, out = self._one(), io.StringIO()
        rows = csv.writer(out, delimiter=self._chance.choice(",;|\t"), lineterminator="\n")
        rows.writerow(("Name", "E-mail", "Phone", "Joined", "Order", "Amount"))
        for _ in range(self._chance.randint(3, 12)):
            order, amount = fake.bothify("??-#####").upper(), f"{fake.pyfloat(2, 2, positive=True):.2f}"
            rows.writerow(
                (fake.name(), fake.ascii_email(), fake.phone_number(), f"{self._instant():%Y-%m-%d}", order, amount)
            )
        return out.getvalue()

    def _log(self) -> Block:
        fake, at = self._one(), self._instant().isoformat()
        lines = (
            f"{at} INFO gateway {fake.uuid4()} GET {fake.uri()} from {fake.ipv4()} in {fake.pyint()} ms",
            f"{at} WARN link {fake.mac_address()} at {fake.ipv6()} down, retry {fake.pyint(1, 9)} of 10",
            f"{at} ERROR build {fake.sha1()} version {fake.numerify('#.##.#')}: {fake.file_path(depth=3)}",
            f"{at} DEBUG user-agent {fake.user_agent()} host {fake.hostname()}",
        )
        return "\n".join(self._chance.choices(lines, k=self._chance.randint(2, 6)))

    def _account(self) -> Block:
        fake, british = self._one(), self._fakers["en_GB"]
        wallet = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"  # an address that everybody knows
        return (
            f"Card {fake.credit_card_number()} of {fake.name()} expires {self._instant():%m/%y}. "
            f"IBAN {self._chance.choice((fake, british)).iban()}, BIC {fake.swift()}, "
            f"bank account number {fake.numerify('########')}. Wallet {wallet}. "
            f"See https://www.{fake.domain_name()}/{fake.uri_path()} or {fake.domain_name()}."
        )


def _prose() -> list[str]:
    paragraphs = [
        " ".join(block.split())
        for path in sorted(path for path in SAMPLES.rglob("*") if path.suffix in {".md", ".txt"})
        for block in path.read_text("utf-8").split("\n\n")
    ]
    return [paragraph for paragraph in paragraphs if len(paragraph) >= MIN_PARAGRAPH_CHARACTERS]
