"""Law as data: each row with its source, the day it was read there, and the days it is in force.

The tables are the YAML files beside this module. They are read once, on first use, and never change in a process.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.yamldoc import read

Regime = Literal["gdpr", "uk-gdpr", "us"]
"""Which law a source is under: the Union's GDPR, the United Kingdom's, or that of the United States."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Row):
    """A row of law with the page or text it stands in."""

    source: str = Field(min_length=1)
    """Where it was read, one address or several with "; " between them; a citation of the text where nothing was."""
    checked_on: date | None = None
    """The day the source was read and said so; None where `unsure` says why that does not hold."""
    unsure: str | None = None

    @model_validator(mode="after")
    def _checked_or_unsure(self) -> Self:
        if (self.checked_on is None) == (self.unsure is None):
            message = "A row was either checked on a day or says why it is unsure."
            raise ValueError(message)
        return self

    @property
    @abstractmethod
    def label(self) -> str:
        """How the row is told from the others of its table."""


class Table(_Row):
    """A file of facts, as of `compiled_on`."""

    compiled_on: date

    def facts(self) -> Iterator[Fact]:
        """Every row, in the order of the file."""
        if isinstance(self, Fact):
            yield self
        for _, value in self:
            rows = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
            yield from (row for row in rows if isinstance(row, Fact))


class Named(Fact):
    """A row with a name that manifests, commands and records use."""

    name: str

    @property
    def label(self) -> str:
        """The name."""
        return self.name


class Schedule1(_Row):
    """The condition of the UK's Data Protection Act 2018, Schedule 1, that an Art. 9 condition needs besides."""

    part: int
    paragraphs: str
    policy_document: bool
    """Whether an appropriate policy document must be in place (Sch. 1 Part 4), but where a paragraph says otherwise."""


class Ground(Named):
    """A lawful basis or a condition for special categories. `since` has its first day in each regime that knows it."""

    law: str
    since: dict[Regime, date] = Field(alias="from")
    schedule_1: Schedule1 | None = None
    """What `uk-gdpr` asks for besides; None where it asks for nothing."""

    @property
    def label(self) -> str:
        """The name and the regimes."""
        return f"{self.name} ({', '.join(self.since)})"

    def holds(self, regime: Regime, now: datetime) -> bool:
        """Whether the regime knows the ground on the day of `now`."""
        return regime in self.since and self.since[regime] <= now.date()


class Grounds(Table):
    """Every ground; `recognised_interests` are the conditions of `recognised_legitimate_interest`."""

    lawful_basis: tuple[Ground, ...]
    recognised_interests: tuple[Ground, ...]
    special_categories: tuple[Ground, ...]


class Group(Named):
    """A name for several countries."""

    since: date = Field(alias="from")
    members: frozenset[str]


class Regions(Table, Fact):
    """ISO 3166-1 alpha-2 codes in lower case, groups of them, and where each regime is at home."""

    countries: frozenset[str]
    groups: dict[str, Group]
    misspelt: dict[str, str]
    home: dict[Regime, tuple[str, ...]]

    @property
    def label(self) -> str:
        """What the source is for."""
        return "countries"


class Mechanism(Named):
    """A safeguard or derogation a transfer may rest on; empty `countries` means any country."""

    regime: Regime
    law: str
    since: date = Field(alias="from")
    countries: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The name and the regime."""
        return f"{self.name} ({self.regime})"


class Adequacy(Fact):
    """A finding that countries protect personal data adequately, through `until`; `only` names a condition."""

    regime: Regime
    countries: tuple[str, ...]
    law: str
    since: date = Field(alias="from")
    until: date | None = None
    only: str | None = None

    @property
    def label(self) -> str:
        """The countries and the regime."""
        return f"adequacy of {', '.join(self.countries)} ({self.regime})"

    def holds(self, now: datetime) -> bool:
        """Whether the finding is in force on the day of `now`."""
        return self.since <= now.date() and (self.until is None or now.date() <= self.until)


class Transfers(Table):
    """Every mechanism and finding."""

    mechanisms: tuple[Mechanism, ...]
    adequacy: tuple[Adequacy, ...]


class Criterion(Named):
    """A property of processing that speaks for an impact assessment."""

    title: str
    title_fr: str
    law: str


class Assessment(Table):
    """When an impact assessment is due: by two of the nine `criteria` of WP 248, by one type of the CNIL's list."""

    criteria: tuple[Criterion, ...]
    french_list: tuple[Criterion, ...]


class Provision(Named):
    """A ground for erasure or an exception to it: `article` is its place in the law of the `regimes`."""

    article: str
    title: str
    regimes: frozenset[Regime]


class Erasure(Table):
    """Why data must be erased (Art. 17(1)), and the exceptions to it (Art. 17(3)).

    Other reasons to decline a request, such as Art. 11(2) or 12(5), are not in the table.

    The United States have no general right of erasure.
    """

    grounds: tuple[Provision, ...]
    exceptions: tuple[Provision, ...]


class Sector(Named):
    """A rule of the United States for one kind of customer."""

    title: str
    law: str
    since: date = Field(alias="from")
    needs_agreement: bool
    """Whether who processes for the customer needs a written agreement, by `agreement_law`."""
    agreement_law: str | None = None
    disposal: str | None = None
    """When data must be disposed of, with the law; None where the rule sets nothing."""


class Sectors(Table):
    """Every sector rule; `none` is for data under no sector's rule."""

    rows: tuple[Sector, ...]


class Identifier(Named):
    """One of the identifiers that HIPAA's Safe Harbor method removes."""

    letter: str
    title: str
    entities: frozenset[str] = frozenset()
    """The redaction entities that look for it; empty where none does. None of them promises to find every one."""
    missing: str | None = None
    """What of it no entity looks for; None where there is nothing."""


class Identifiers(Table):
    """The eighteen identifiers of 45 CFR 164.514(b)(2)(i), (A) to (R)."""

    rows: tuple[Identifier, ...]


_Table = TypeVar("_Table", bound=Table)


def _load(table: type[_Table], name: str) -> _Table:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return table.model_validate(read(text, path=name).value)


@cache
def grounds() -> Grounds:
    """The grounds for processing."""
    return _load(Grounds, "grounds.yaml")


@cache
def regions() -> Regions:
    """Countries and groups."""
    return _load(Regions, "regions.yaml")


@cache
def transfers() -> Transfers:
    """Transfer mechanisms and adequacy findings."""
    return _load(Transfers, "transfers.yaml")


@cache
def assessment() -> Assessment:
    """What makes an impact assessment due."""
    return _load(Assessment, "assessment.yaml")


@cache
def erasure() -> Erasure:
    """The grounds for erasure and its exceptions."""
    return _load(Erasure, "erasure.yaml")


@cache
def sectors() -> Sectors:
    """The sector rules of the United States."""
    return _load(Sectors, "sectors.yaml")


@cache
def identifiers() -> Identifiers:
    """The identifiers of the Safe Harbor method, and what finds them."""
    return _load(Identifiers, "identifiers.yaml")


def tables() -> Mapping[str, Table]:
    """Every table by its name."""
    return MappingProxyType(
        {
            "grounds": grounds(),
            "regions": regions(),
            "transfers": transfers(),
            "assessment": assessment(),
            "erasure": erasure(),
            "sectors": sectors(),
            "identifiers": identifiers(),
        }
    )


def unsure() -> tuple[str, ...]:
    """The rows that no source was found to say, as `table: label`; they are in force like the others."""
    rows = ((name, fact) for name, table in tables().items() for fact in table.facts())
    return tuple(f"{name}: {fact.label}" for name, fact in rows if fact.unsure is not None)
