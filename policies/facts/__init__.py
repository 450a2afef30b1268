"""Law as data: grounds for processing, regions and transfers, each row with the days it is in force.

The tables are the YAML files beside this module. They are read once, on first use, and never change in a process.
"""

from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from policies.yamldoc import read

Regime = Literal["gdpr", "uk-gdpr", "us"]
"""Which law a source is under: the Union's GDPR, the United Kingdom's, or that of the United States."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ground(_Row):
    """A lawful basis or a condition for special categories. `since` has its first day in each regime that knows it."""

    name: str
    law: str
    since: dict[Regime, date] = Field(alias="from")

    def holds(self, regime: Regime, now: datetime) -> bool:
        """Whether the regime knows the ground on the day of `now`."""
        return regime in self.since and self.since[regime] <= now.date()


class Grounds(_Row):
    """Every ground, as of `compiled_on`."""

    compiled_on: date
    lawful_basis: tuple[Ground, ...]
    special_categories: tuple[Ground, ...]


class Group(_Row):
    """A name for several countries."""

    since: date = Field(alias="from")
    members: frozenset[str]


class Regions(_Row):
    """ISO 3166-1 alpha-2 codes in lower case, groups of them, and where each regime is at home."""

    compiled_on: date
    countries: frozenset[str]
    groups: dict[str, Group]
    misspelt: dict[str, str]
    home: dict[Regime, tuple[str, ...]]


class Mechanism(_Row):
    """A safeguard or derogation a transfer may rest on; empty `countries` means any country."""

    name: str
    regime: Regime
    law: str
    since: date = Field(alias="from")
    countries: frozenset[str] = frozenset()


class Adequacy(_Row):
    """A finding that countries protect personal data adequately, through `until`; `only` names a condition."""

    regime: Regime
    countries: tuple[str, ...]
    law: str
    since: date = Field(alias="from")
    until: date | None = None
    only: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether the finding is in force on the day of `now`."""
        return self.since <= now.date() and (self.until is None or now.date() <= self.until)


class Transfers(_Row):
    """Every mechanism and finding, as of `compiled_on`."""

    compiled_on: date
    mechanisms: tuple[Mechanism, ...]
    adequacy: tuple[Adequacy, ...]


_Table = TypeVar("_Table", bound=_Row)


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
