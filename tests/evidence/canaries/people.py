"""Invented people whose names and numbers nobody else has, so that a search for them finds only them."""

import html
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from faker import Faker

LOCALES = ("en_GB", "en_US", "fr_FR")
MIN_NEEDLE_CHARACTERS = 8
MIN_STEM_CHARACTERS = 4
KINDS = ("name", "mail", "phone", "address", "birth", "id")
_NATIONAL = {"en_GB": "National Insurance number", "en_US": "SSN", "fr_FR": "numéro de sécurité sociale"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody. `canaries` are what is looked for, by kind; a name is looked for by its surname."""

    number: int
    locale: str
    given: str
    surname: str
    mail: str
    phone: str
    street: str
    postcode: str
    city: str
    birth: str
    id: str

    @property
    def name(self) -> str:
        """In full."""
        return f"{self.given} {self.surname}"

    @property
    def address(self) -> str:
        """On one line."""
        return f"{self.street}, {self.postcode} {self.city}"

    @property
    def id_label(self) -> str:
        """What the number is called."""
        return _NATIONAL[self.locale]

    @property
    def canaries(self) -> Mapping[str, str]:
        """What must not be found, by kind."""
        values = (self.surname, self.mail, self.phone, self.street, self.birth, self.id)
        return dict(zip(KINDS, values, strict=True))

    def needles(self) -> Iterator[tuple[str, bytes]]:
        """Kind and bytes of every spelling that is looked for. UTF-16, base64 and hexadecimal are the scanner's."""
        for kind, value in self.canaries.items():
            spelt = {value, value.lower(), value.upper(), quote(value), html.escape(value)}
            spelt |= {value.encode("ascii", errors).decode() for errors in ("xmlcharrefreplace", "backslashreplace")}
            if kind in {"phone", "id"}:
                compact = "".join(filter(str.isalnum, value))
                spelt |= {compact, compact.lower(), value.replace(" ", "-"), value.replace(" ", ".")}
            for one in spelt:
                if len(one) >= MIN_NEEDLE_CHARACTERS:
                    yield kind, one.encode()


def invent(count: int, *, seed: int) -> list[Person]:
    """So many people, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same people each time, not a secret
    fakers = {locale: Faker(locale) for locale in LOCALES}
    for faker in fakers.values():
        faker.seed_instance(seed)
    surnames = _surnames(fakers, chance)
    return [_person(number, LOCALES[number % len(LOCALES)], fakers, surnames, chance) for number in range(count)]


def _person(
    number: int, locale: str, fakers: Mapping[str, Faker], surnames: Iterator[str], chance: random.Random
) -> Person:
    fake, surname, way = fakers[locale], next(surnames), next(surnames)
    given, digits = fake.first_name(), f"{chance.randrange(10**9):09}"
    ascii_given = "".join(filter(str.isascii, given.lower())).replace(" ", "")
    house = chance.randrange(2, 190)
    day, month, year = chance.randrange(10, 29), chance.randrange(1, 13), chance.randrange(1935, 2004)
    match locale:
        case "en_GB":
            phone, street = f"07{digits[:3]} {digits[3:]}", f"{house} {way} Close"
            national = (
                f"{chance.choice('ABCEHJKLM')}{chance.choice('ABCEHJKLM')} {digits[:2]} {digits[2:4]} {digits[4:6]} C"
            )
        case "en_US":
            phone, street = f"(4{1 + number % 8}5) 5{digits[:2]}-{digits[2:6]}", f"{house} {way} Avenue"
            national = f"5{1 + number % 8}{digits[0]}-{1 + number % 89:02}-{1 + int(digits[3:7]) % 9998:04}"
        case _:
            phone, street = "06 " + " ".join(digits[at : at + 2] for at in (0, 2, 4, 6)), f"{house} rue {way}"
            body = f"{1 + number % 2}{year % 100:02}{month:02}{1 + number % 89:02}{digits[:6]}"
            national = f"{body} {97 - int(body) % 97:02}"
    return Person(
        number=number,
        locale=locale,
        given=given,
        surname=surname,
        mail=f"{ascii_given}.{surname.lower()}@{fake.free_email_domain()}",
        phone=phone,
        street=street,
        postcode=fake.postcode(),
        city=fake.city(),
        birth=f"{day:02}/{month:02}/{year}",
        id=national,
    )


def _surnames(fakers: Mapping[str, Faker], chance: random.Random) -> Iterator[str]:
    """Names such as there might be: the beginning of one and the ending of another; each once, of letters only."""
    real = sorted({name for faker in fakers.values() for _ in range(2000) if (name := faker.last_name()).isalpha()})
    known = {name.lower() for name in real}
    while True:
        first, second = chance.sample(real, 2)
        name = (
            first[: max(MIN_STEM_CHARACTERS, len(first) // 2)]
            + second[-max(MIN_STEM_CHARACTERS, len(second) // 2) :].lower()
        )
        if len(name) >= MIN_NEEDLE_CHARACTERS and name.lower() not in known:
            known.add(name.lower())
            yield name
