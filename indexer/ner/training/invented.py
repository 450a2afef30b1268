"""Invented names of people, places and organisations, in the forms in which documents write them."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from faker import Faker

LOCALES = {
    "en": ("en_US", "en_GB", "en_IN", "en_IE", "en_AU", "en_CA", "en_NZ"),
    "fr": ("fr_FR", "fr_CA", "fr_BE", "fr_CH"),
    "xx": (
        "cs_CZ", "da_DK", "de_DE", "es_ES", "es_MX", "et_EE", "fi_FI", "fr_DZ", "hr_HR", "hu_HU", "id_ID", "it_IT",
        "lt_LT", "lv_LV", "nl_NL", "no_NO", "pl_PL", "pt_BR", "pt_PT", "ro_RO", "sk_SK", "sl_SI", "sv_SE", "tr_TR",
        "vi_VN", "yo_NG", "ha_NG", "ig_NG", "zu_ZA", "tw_GH", "en_PK",
    ),
}  # fmt: skip
PARTICLES = (
    "de",
    "du",
    "de la",
    "van",
    "van der",
    "von",
    "Al-",
    "El",
    "Ben",
    "Mac",
    "Le",
    "Di",
    "Da",
    "O'",
    "Ó",
    "St.",
)
_SUFFIXES = {
    "en": ("Ltd", "Limited", "plc", "LLP", "Inc.", "Corp.", "LLC", "& Co", "Group", "Holdings", "Partners", "GmbH"),
    "fr": ("SA", "SARL", "SAS", "S.A.", "et Fils", "& Cie", "Groupe", "SNC", "SCI", "Associés", "SASU"),
}
_BODIES = {
    "en": (
        "University of {city}", "{city} University", "{city} General Hospital", "St {first}'s Hospital",
        "{city} City Council", "{region} County Council", "{city} Crown Court", "High Court of {country}",
        "{city} Police", "Ministry of {field}", "Department of {field}", "Institute of {field}", "{last} Foundation",
        "{city} Chamber of Commerce", "{last} High School", "{field} Agency", "National {field} Authority",
        "{country} {field} Association", "Bank of {country}", "{city} {field} Centre", "{last} & {last}",
        "{last}, {last} & {last} LLP", "The {city} Times", "{city} United", "{field} Union of {country}",
    ),
    "fr": (
        "Université de {city}", "CHU de {city}", "Hôpital {first}-{last}", "clinique {last}", "mairie de {city}",
        "tribunal judiciaire de {city}", "cour d'appel de {city}", "tribunal de grande instance de {city}",
        "préfecture de {region}", "ministère de {field}", "Institut {last}", "lycée {first}-{last}",
        "école {first} {last}", "collège {last}", "Banque de {country}", "Agence {field}", "Fondation {last}",
        "Conseil départemental de {region}", "Chambre de commerce de {city}", "Association {field}",
        "cabinet {last}", "Cabinet {last} et Associés", "Éditions {last}", "Crédit {city}", "Caisse de {field}",
        "Rectorat de {city}", "FC {city}", "Le Journal de {city}", "CPAM de {city}", "Laboratoires {last}",
    ),
}  # fmt: skip
_FIELDS = {
    "en": (
        "Health", "Justice", "Finance", "Energy", "Transport", "Education", "Housing", "Agriculture", "Physics",
        "Public Health", "Foreign Affairs", "Labour", "Statistics", "Data Protection", "Marine Science", "Trade",
    ),
    "fr": (
        "la Santé", "la Justice", "l'Intérieur", "l'Éducation", "Transports", "Physique", "l'Agriculture",
        "Santé publique", "l'Énergie", "Logement", "Sécurité sociale", "Statistique", "prévoyance", "retraite",
    ),
}  # fmt: skip
_PLACES = {
    "en": (
        "River {last}", "Lake {last}", "Mount {last}", "{city} Airport", "{last} Bridge", "{last} House",
        "{city} Station", "{last} Park", "{last} Square", "{last} Valley", "{last} Island", "North {city}",
    ),
    "fr": (
        "gare de {city}", "aéroport de {city}", "pont {last}", "place {last}", "parc {last}", "mont {last}",
        "forêt de {city}", "lac de {city}", "vallée de {city}", "château de {city}", "place du {last}", "île {last}",
    ),
}  # fmt: skip
_TITLES = {
    "en": ("Mr", "Mrs", "Ms", "Miss", "Dr", "Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "Professor", "Sir", "Judge", "Lady"),
    "fr": ("M.", "Mme", "Mlle", "Me", "Dr", "Pr", "MM.", "Monsieur", "Madame", "Maître", "Docteur", "Professeur"),
}


_HOME = {"en": "en_GB", "fr": "fr_FR"}
_NATIONALITIES = {
    "en": ("Turkish", "French", "British", "Nigerian", "Polish", "Syrian", "Indian", "Brazilian", "Kenyan"),
    "fr": ("turc", "française", "belge", "marocain", "algérienne", "polonaise", "malien", "italien", "suisse"),
}
_MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
}
_PRODUCTS = (
    *("Python", "Docker", "Excel", "Kubernetes", "Outlook", "Windows 11", "Postgres", "Teams", "Photoshop", "Redis"),
    *("SharePoint", "Terraform", "Jenkins", "Linux", "Android", "Firefox", "Grafana", "Kafka", "Word", "Slack"),
)
_HEADS = ("Nova", "Tech", "Medi", "Agri", "Lumi", "Vert", "Axi", "Sol", "Quant", "Data", "Eco", "Syn", "Opti")
_TAILS = ("lis", "ra", "Soft", "care", "via", "tis", "nova", "Works", "Lab", "net", "co", "ium", "Pay")
GIVEN = (
    *("Mohammed", "Muhammad", "Ahmad", "Abdullah", "Omar", "Hassan", "Hussein", "Tariq", "Bilal", "Yasmin", "Layla"),
    *("Fatima", "Khadija", "Zainab", "Samira", "Karim", "Rachid", "Abdelkader", "Nadia", "Leila", "Soraya", "Imran"),
    *("Wei", "Xiaoming", "Jing", "Li", "Ming", "Hui", "Yan", "Mei", "Jun", "Zhang", "Kai", "Hao", "Ying", "Hiroshi"),
    *("Yuki", "Kenji", "Haruka", "Akira", "Naoko", "Takeshi", "Ji-hoon", "Min-ji", "Seung-woo", "Hye-jin", "Soo-jin"),
    *("Olga", "Dmitri", "Sergei", "Natalia", "Vladimir", "Svetlana", "Oleksandr", "Iryna", "Nino", "Giorgi", "Ani"),
    *("Amadou", "Mamadou", "Awa", "Kofi", "Ama", "Kwame", "Chidi", "Ngozi", "Thandiwe", "Sipho", "Tadesse", "Hana"),
    *("Priya", "Arjun", "Lakshmi", "Rajesh", "Sanjay", "Deepika", "Harpreet", "Gurpreet", "Nusrat", "Tenzin", "Aung"),
)
"""Given names of languages that Faker has in other scripts only, as they are written in Latin letters."""
FAMILY = (
    *("Khan", "Hussain", "Ali", "Ahmed", "Malik", "Rahman", "Chaudhry", "Haddad", "Khoury", "Mansour", "Benali"),
    *("Bouzid", "Cherif", "El Amrani", "Benjelloun", "Al-Masri", "Al-Sayed", "Hamdi", "Saleh", "Nasser", "Qureshi"),
    *("Wang", "Zhang", "Chen", "Liu", "Zhao", "Huang", "Zhou", "Wu", "Xu", "Lin", "Tanaka", "Suzuki", "Watanabe"),
    *("Yamamoto", "Nakamura", "Kim", "Park", "Choi", "Jung", "Kang", "Ivanov", "Petrova", "Smirnov", "Kuznetsov"),
    *("Shevchenko", "Kovalenko", "Popescu", "Papadopoulos", "Georgiou", "Beridze", "Sargsyan", "Aliyev", "Yilmaz"),
    *("Diallo", "Traoré", "Coulibaly", "Ouedraogo", "Mensah", "Owusu", "Okafor", "Adeyemi", "Nkosi", "Dlamini"),
    *("Singh", "Sharma", "Patel", "Gupta", "Reddy", "Iyer", "Banerjee", "Sandhu", "Begum", "Perera", "Thapa", "Sherpa"),
)
NAME, END = "\x02", "\x03"
"""What encloses the name within a value that is more."""


@cache
def _faker(locale: str) -> Faker:
    return Faker(locale)


class Inventor:
    """Invents values. All chance comes from `chance`, so that a seed repeats a run."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def seed(self, number: int) -> None:
        """Start again from a seed."""
        self._chance.seed(number)
        Faker.seed(number)

    def value(self, slot: str, language: str) -> str:
        """A value for a slot of a template."""
        return MAKERS[slot](self, language)

    def first(self, language: str) -> str:
        """A first name, or two."""
        match self._one_of({"one": 91, "two": 7, "odd": 2}):
            case "one":
                return self._given(language)
            case "two":
                return f"{self._given(language)}-{self._given(language)}"
            case _:
                return self._odd(self._given(language))

    def last(self, language: str) -> str:
        """A family name: with a particle, double or made up at times."""
        name = self._family(language)
        match self._one_of({"plain": 83, "hyphen": 5, "two": 2, "particle": 5, "odd": 5}):
            case "hyphen":
                return f"{name}-{self._family(language)}"
            case "two":
                return f"{name} {self._family(language)}"
            case "particle":
                particle = self._chance.choice(PARTICLES)
                return particle + ("" if particle[-1] in "-'" else " ") + name
            case "odd":
                return self._odd(name)
            case _:
                return name

    def person(self, language: str) -> str:
        """A full name in one of its usual forms."""
        first, last = self.first(language), self.last(language)
        forms = {
            f"{first} {last}": 60,
            f"{first} {self._initial()}. {last}": 10,
            f"{first} {self.first(language)} {last}": 6,
            f"{first} {last.upper()}": 8,
            f"{first[0]}. {last}": 4,
            f"{last.upper()} {first}": 4,
            f"{last} {first}": 3,
            f"{first.upper()} {last.upper()}": 5,
        }
        return self._one_of(forms)

    def title_last(self, language: str) -> str:
        """A form of address and a name: of the two only the name is one, and stands between NAME and END."""
        last = self.last(language)
        short = {
            last: 65,
            last.upper(): 10,
            f"{self.first(language)} {last}": 15,
            f"{self._initial()}. {last}": 10,
        }
        return f"{self._chance.choice(_TITLES[language])} {NAME}{self._one_of(short)}{END}"

    def initials_last(self, language: str) -> str:
        """Initials and a family name."""
        initials = [f"{self._initial()}." for _ in range(self._chance.choice((1, 1, 2, 3)))]
        return f"{self._chance.choice(('', ' ', '-')).join(initials)} {self.last(language)}"

    def last_first(self, language: str) -> str:
        """A family name and a first name, as in a register."""
        last, first = self.last(language), self.first(language)
        written = self._one_of({last: 6, last.upper(): 4})
        return f"{written}{self._chance.choice((', ', ', ', ' '))}{first}"

    def organization(self, language: str) -> str:
        """A company, an authority, a court, a hospital, a school."""
        match self._one_of({"company": 25, "suffix": 25, "acronym": 10, "coined": 10, "body": 30}):
            case "company":
                return str(self._faker(language).company())
            case "suffix":
                name = self._chance.choice((self.last, self._coined))(language)
                return f"{name} {self._chance.choice(_SUFFIXES[language])}"
            case "acronym":
                return "".join(self._chance.choices("ABCDEFGHILMNOPRSTU", k=self._chance.choice((3, 3, 4, 4, 5))))
            case "coined":
                return self._coined(language)
            case _:
                return self._filled(self._chance.choice(_BODIES[language]), language)

    def city(self, language: str) -> str:
        """A city."""
        return str(self._faker(language).city()).split(",")[0]

    def country(self, language: str) -> str:
        """A country, called as the language does."""
        return str(_faker(_HOME[language]).country()).split(",")[0].split(" (")[0]

    def region(self, language: str) -> str:
        """A county, a state, a département or a region."""
        kinds = {
            "en": (("en_GB", "county"), ("en_US", "state")),
            "fr": (("fr_FR", "department_name"), ("fr_FR", "region")),
        }
        locale, kind = self._chance.choice(kinds[language])
        return str(getattr(_faker(locale), kind)())

    def street(self, language: str) -> str:
        """A line of an address, with the place at times."""
        faker = self._faker(language)
        line = str(faker.street_address()).replace("\n", ", ")
        return self._one_of({line: 65, f"{line}, {faker.postcode()} {self.city(language)}": 35})

    def place(self, language: str) -> str:
        """A river, a square, an airport."""
        return self._filled(self._chance.choice(_PLACES[language]), language)

    def nationality(self, language: str) -> str:
        """An adjective, which is no name."""
        return self._chance.choice(_NATIONALITIES[language])

    def email(self, _: str) -> str:
        """An address."""
        return str(_faker("en_GB").email())

    def phone(self, language: str) -> str:
        """A number, written as the country does."""
        return str(_faker(_HOME[language]).phone_number())

    def number(self, _: str) -> str:
        """A number of something."""
        chance = self._chance
        forms = (
            str(chance.randint(1, 90)),
            f"{chance.randint(1, 999)},{chance.randint(100, 999)}",
            f"{chance.randint(1, 9999)}/{chance.randint(70, 99)}",
            str(chance.randint(10**5, 10**7)),
        )
        return chance.choice(forms)

    def date(self, language: str) -> str:
        """A day, or a year."""
        day, month, year = (self._chance.randint(*bounds) for bounds in ((1, 28), (1, 12), (1950, 2026)))
        spelt = f"{day} {_MONTHS[language][month - 1]} {year}"
        return self._chance.choice((spelt, f"{day:02}/{month:02}/{year}", f"{year}-{month:02}-{day:02}", str(year)))

    def product(self, _: str) -> str:
        """A program or a device, which is no name."""
        return self._chance.choice(_PRODUCTS)

    def _one_of(self, weights: Mapping[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _faker(self, language: str) -> Faker:
        kind = self._one_of(
            {language: 70, "xx": 20, "en": 5, "fr": 5} if language != "en" else {"en": 75, "xx": 20, "fr": 5}
        )
        return _faker(self._chance.choice(LOCALES[kind]))

    def _given(self, language: str) -> str:
        return self._one_of({str(self._faker(language).first_name()): 85, self._chance.choice(GIVEN): 15})

    def _family(self, language: str) -> str:
        return self._one_of({str(self._faker(language).last_name()): 85, self._chance.choice(FAMILY): 15})

    def _initial(self) -> str:
        return self._chance.choice("ABCDEFGHIJKLMNOPRSTVWYZ")

    def _odd(self, name: str) -> str:
        """A name that no list has: two halves of others."""
        other = self._family("en")
        made = name[: max(2, len(name) // 2)] + other[len(other) // 2 :].lower()
        return made if made.isalpha() else name

    def _coined(self, _: str) -> str:
        name = self._chance.choice(_HEADS) + self._chance.choice(_TAILS)
        return self._one_of({name: 9, name.upper(): 1})

    def _filled(self, pattern: str, language: str) -> str:
        while "{" in pattern:
            before, _, rest = pattern.partition("{")
            slot, _, after = rest.partition("}")
            value = self._chance.choice(_FIELDS[language]) if slot == "field" else self.value(slot, language)
            pattern = before + value + after
        return pattern


MAKERS: Mapping[str, Callable[[Inventor, str], str]] = {
    "person": Inventor.person,
    "first": Inventor.first,
    "last": Inventor.last,
    "title_last": Inventor.title_last,
    "initials_last": Inventor.initials_last,
    "last_first": Inventor.last_first,
    "upper": lambda inventor, language: f"{inventor.first(language)} {inventor.last(language)}".upper(),
    "lower": lambda inventor, language: f"{inventor.first(language)} {inventor.last(language)}".lower(),
    "org": Inventor.organization,
    "city": Inventor.city,
    "country": Inventor.country,
    "region": Inventor.region,
    "street": Inventor.street,
    "place": Inventor.place,
    "nationality": Inventor.nationality,
    "email": Inventor.email,
    "phone": Inventor.phone,
    "date": Inventor.date,
    "number": Inventor.number,
    "product": Inventor.product,
}
"""What makes the values of each slot."""
ENTITY_OF = {
    **dict.fromkeys(
        ("person", "first", "last", "title_last", "initials_last", "last_first", "upper", "lower"), "PERSON"
    ),
    **dict.fromkeys(("city", "country", "region", "place"), "LOCATION"),
    "street": "ADDRESS",
    "org": "ORGANIZATION",
}
"""What the values of a slot are; of the others none is a name."""


def listed(locales: Sequence[str]) -> dict[str, set[str]]:
    """The single words in our and Faker's lists of first names, family names and cities, in small letters."""
    found: dict[str, set[str]] = {"first": set(_words(GIVEN)), "last": set(_words(FAMILY)), "place": set()}
    for locale in locales:
        faker = _faker(locale)
        for provider in faker.get_providers():
            for kind, names in (
                ("first", ("first_names", "first_names_male", "first_names_female")),
                ("last", ("last_names",)),
                ("place", ("cities", "city_names", "countries", "regions", "departments", "counties", "states")),
            ):
                for name in names:
                    found[kind] |= set(_words(getattr(provider, name, ())))
    return found


def _words(values: object) -> list[str]:
    words: list[str] = []
    for value in values if isinstance(values, dict | list | tuple) else ():
        text = value[-1] if isinstance(value, tuple) and value else value
        if isinstance(text, str) and text.isalpha():
            words.append(text)
    return words
