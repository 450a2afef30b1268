"""Makers of identifiers, each the groups it is printed in, with checksums by other means than the rules' own."""

import random
import string
from collections.abc import Callable

Groups = list[str]
UPPER = string.ascii_uppercase


def digits(rng: random.Random, count: int, first: str = string.digits) -> str:
    return rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def cut(value: str, *lengths: int) -> Groups:
    groups, at = [], 0
    for length in lengths:
        groups.append(value[at : at + length])
        at += length
    return groups


def completed(body: str, right: Callable[[str], bool], signs: str = string.digits) -> str:
    """`body` with the sign after it that makes it right; "" where none does."""
    return next((body + sign for sign in signs if right(body + sign)), "")


def luhn(number: str) -> bool:
    """By a table of doubled digits, from the right."""
    doubled = "0246813579"
    return sum(int(doubled[int(d)] if at % 2 else d) for at, d in enumerate(number[::-1])) % 10 == 0


def tried(make: Callable[[], str]) -> str:
    while not (value := make()):
        pass
    return value


def card(rng: random.Random, prefix: str, length: int, *lengths: int) -> Groups:
    return cut(completed(prefix + digits(rng, length - 1 - len(prefix)), luhn), *lengths)


def iban(country: str, account: Callable[[random.Random], str]) -> Callable[[random.Random], Groups]:
    def make(rng: random.Random) -> Groups:
        body = account(rng)
        number = "".join(str(ord(c) - 55) if c.isalpha() else c for c in f"{body}{country}00")
        value = f"{country}{98 - int(number) % 97:02d}{body}"
        return cut(value, *[4] * (len(value) // 4), len(value) % 4)[: -(-len(value) // 4)]

    return make


def rib(rng: random.Random) -> Groups:
    bank, branch, account = digits(rng, 5, "123"), digits(rng, 5), digits(rng, 11)
    return [bank, branch, account, f"{97 - int(bank + branch + account + '00') % 97:02d}"]


def nhs(rng: random.Random) -> Groups:
    def right(value: str) -> bool:
        return sum(max(10 - at, 1) * int(d) for at, d in enumerate(value)) % 11 == 0

    return cut(tried(lambda: completed(digits(rng, 9, "4679"), right)), 3, 3, 4)


def utr(rng: random.Random) -> Groups:
    body = digits(rng, 9)
    rest = sum(w * int(d) for w, d in zip((6, 7, 8, 9, 10, 5, 4, 3, 2), body, strict=True)) % 11
    check = 11 - rest
    return cut(f"{check - 9 if check > 9 else check}{body}", 5, 5)


def nino(rng: random.Random) -> Groups:
    prefix = rng.choice(("AB", "CE", "JG", "PW", "SX", "YZ"))
    return [prefix, *(digits(rng, 2) for _ in range(3)), rng.choice("ABCD")]


def licence_gb(rng: random.Random) -> Groups:
    surname = rng.choice(("MORGA", "SMITH", "JONES", "FOX99", "WHITE"))
    born = f"{rng.randrange(10)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{rng.randrange(10)}"
    return [surname, born, "".join(rng.choices(UPPER, k=2)) + digits(rng, 1) + "".join(rng.choices(UPPER, k=2))]


def postcode(rng: random.Random) -> Groups:
    return [
        rng.choice(("LS1", "SW1A", "M1", "EC1A", "EH12", "CF10")),
        digits(rng, 1) + "".join(rng.choices("ABDEH", k=2)),
    ]


def nir(rng: random.Random) -> Groups:
    place = rng.choice(("69", "75", "2A", "2B", "13"))
    groups = [rng.choice("12"), digits(rng, 2), f"{rng.randrange(1, 13):02d}", place, digits(rng, 3), digits(rng, 3)]
    number = "".join(groups)
    for letter, less in (("A", 1_000_000), ("B", 2_000_000)):
        if letter in number:  # INSEE's other way to say it: as a zero, less a million or two
            return [*groups, f"{97 - (int(number.replace(letter, '0')) - less) % 97:02d}"]
    return [*groups, f"{97 - int(number) % 97:02d}"]


def siren(rng: random.Random) -> Groups:
    return cut(completed(digits(rng, 8, "345678"), luhn), 3, 3, 3)


def siret(rng: random.Random) -> Groups:
    return cut(completed("".join(siren(rng)) + "000" + digits(rng, 1), luhn), 3, 3, 3, 5)


def tax_fr(rng: random.Random) -> Groups:
    body = digits(rng, 10, "0123")
    return cut(f"{body}{int(body) - 511 * (int(body) // 511):03d}", 2, 2, 3, 3, 3)


def passport_eu(rng: random.Random) -> Groups:
    return [digits(rng, 2) + "".join(rng.choices(UPPER, k=2)) + digits(rng, 5)]


def plate_fr(rng: random.Random) -> Groups:
    return ["".join(rng.choices("ABCDEFGH", k=2)), digits(rng, 3), "".join(rng.choices("JKLMNPQR", k=2))]


def plate_gb(rng: random.Random) -> Groups:
    return ["".join(rng.choices("ABCDEFGH", k=2)) + digits(rng, 2), "".join(rng.choices("JKLMNPRS", k=3))]


def ssn(rng: random.Random) -> Groups:
    return [f"{rng.randrange(100, 666):03d}", f"{rng.randrange(1, 100):02d}", f"{rng.randrange(1, 10_000):04d}"]


def itin(rng: random.Random) -> Groups:
    return [digits(rng, 3, "9"), str(rng.randrange(70, 89)), digits(rng, 4)]


def aba(rng: random.Random) -> Groups:
    def right(value: str) -> bool:
        a, b, c = (sum(map(int, value[place::3])) for place in range(3))
        return (3 * a + 7 * b + c) % 10 == 0

    return [completed(rng.choice(("02", "11", "26", "32")) + digits(rng, 6), right)]


def npi(rng: random.Random) -> Groups:
    body = digits(rng, 9, "12")
    return cut(completed(f"80840{body}", luhn)[5:], 4, 3, 3)


def mbi(rng: random.Random) -> Groups:
    def letters(count: int) -> str:
        return "".join(rng.choices("ACDEFGHJKMNPQRTUVWXY", k=count))

    first = digits(rng, 1, "123456789") + letters(2) + digits(rng, 1)
    return [first, letters(2) + digits(rng, 1), letters(2) + digits(rng, 2)]


def dea(rng: random.Random) -> Groups:
    body = digits(rng, 6)
    odd, even = sum(map(int, body[0::2])), sum(map(int, body[1::2]))
    return [rng.choice("ABFM") + rng.choice(UPPER) + body + str(odd + 2 * even)[-1]]


def vin(rng: random.Random) -> Groups:
    signs = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ"  # a sign's value is its place modulo 10
    body = rng.choice(("1HG", "2FM", "5YJ", "JTD")) + "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=5))
    tail = "".join(rng.choices("ABCDEFGHJKLMNPRSTVWXY", k=2)) + digits(rng, 6)
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 9, 8, 7, 6, 5, 4, 3, 2)
    rest = sum(w * (signs.index(c) % 10) for w, c in zip(weights, body + tail, strict=True)) % 11
    return [f"{body}{'X' if rest == 10 else rest}{tail}"]


def street_gb(rng: random.Random) -> Groups:
    street = rng.choice(("Mill Lane", "High Street", "St John's Road", "Station Road", "Kings Avenue", "Priory Grove"))
    town = rng.choice(("Leeds", "London", "Stoke on Trent", "Milton Keynes"))
    return [f"{rng.randrange(1, 300)} {street}, {town} {' '.join(postcode(rng))}"]


def street_us(rng: random.Random) -> Groups:
    street = rng.choice(("Fifth Avenue", "N. Elm St.", "W 45th Street", "Sunset Blvd", "Martin Luther King Parkway"))
    unit = rng.choice(("", ", Apt 4B", ", Suite 210", " Unit 7"))
    place = rng.choice(("New York, NY 1", "Los Angeles, CA 9", "Springfield, IL 6", "Austin, TX 7"))
    return [f"{rng.randrange(1, 9999)} {street}{unit}, {place}{digits(rng, 4)}"]


def street_fr(rng: random.Random) -> Groups:
    number = f"{rng.randrange(1, 200)}{rng.choice(('', ' bis', ' ter', ' bis,', ','))}"
    street = rng.choice(
        (
            "rue de la République",
            "avenue du Général-de-Gaulle",
            "boulevard Saint-Michel",
            "place d'Italie",
            "allée des Tilleuls",
        )
    )
    town = rng.choice(("69002 Lyon", "75013 Paris", "35000 Rennes Cedex 7", "13100 Aix-en-Provence"))
    return [f"{number} {street}, {town}"]


def chosen(*patterns: str) -> Callable[[random.Random], Groups]:
    """Each `#` a digit, each `@` a capital, each `*` of base64, groups apart by spaces."""
    base64 = string.ascii_letters + string.digits

    def make(rng: random.Random) -> Groups:
        signs = {"#": string.digits, "@": "ABCDEFGHJKLMNPRSTVWXY", "*": base64, "~": "0123456789abcdef"}
        made = "".join(rng.choice(signs.get(sign, sign)) for sign in rng.choice(patterns))
        return made.split(" ")

    return make
