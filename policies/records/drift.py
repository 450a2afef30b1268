"""What is configured against what was observed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from policies import regions
from policies.model import Node
from policies.records.known import Known

_HEALTH = frozenset({"UK_NHS"})
"""What redaction finds that is data concerning health by itself."""


class Use(StrEnum):
    """Whether what is configured happens, and what happens is configured."""

    USED = "used"
    UNUSED = "configured, never used"
    STRAY = "used, not configured any more"


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """A purpose or a region with how many retrievals it had."""

    name: str
    count: int
    use: Use


Work = Literal["processes", "stores", "logs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """A country in which this node does something with a source's data, and whether the manifest lists it there."""

    work: Work
    country: str | None
    listed: bool


def purposes(known: Known) -> tuple[Usage, ...]:
    """The source's purposes, then those it was used for and is not any more."""
    configured, seen = known.source.policy.purposes, known.observed.purposes
    return (
        *(_usage(name, seen.get(name, 0)) for name in configured),
        *_strays(seen, lambda name: name in configured),
    )


def regions_served(known: Known) -> tuple[Usage, ...]:
    """Where callers may be, by the list and the transfers, then where they were and may not be any more.

    A country that is listed and in a listed group counts for itself.
    """
    residency, seen = known.source.policy.residency, known.observed.regions
    configured = tuple(dict.fromkeys((*residency.serve, *(transfer.to for transfer in residency.transfers))))
    left, found = dict(seen), {}
    for name in sorted(configured, key=lambda name: len(regions.expand([name]))):
        within = [country for country in left if regions.contains([name], country)]
        found[name] = sum(left.pop(country) for country in within)
    return (*(_usage(name, found[name]) for name in configured), *_strays(left, lambda _: False))


def of_node(known: Known, node: Node) -> tuple[Station, ...]:
    """Where this node works, and whether the source may be there."""
    residency = known.source.policy.residency
    places: tuple[tuple[Work, Iterable[str], Iterable[str | None]], ...] = (
        ("processes", residency.process, {node.process_region}),
        ("stores", residency.store, node.store_regions),
        ("logs", residency.system or residency.store, {node.system_region}),
    )
    return tuple(
        Station(work=work, country=country, listed=country is not None and regions.contains(listed, country))
        for work, listed, countries in places
        for country in sorted(countries, key=str)
    )


def sentences(known: Known, node: Node) -> tuple[str, ...]:
    """Every difference between what is configured and what was observed."""
    return (*_told(known, Use.UNUSED), *_undeclared(known), *strays(known, node))


def _undeclared(known: Known) -> Iterator[str]:
    """Identifiers of patients where the manifest says that there are no special categories."""
    policy, found = known.source.policy, known.observed.redactions
    if policy.regime != "us" and policy.special_categories is None:
        yield from (
            f"{entity} was found {found[entity]} times, a number for health purposes (GDPR recital 35), and "
            "special_categories says none."
            for entity in sorted(_HEALTH & found.keys())
        )


def strays(known: Known, node: Node) -> tuple[str, ...]:
    """What was observed and is not configured."""
    unlisted = (each for each in of_node(known, node) if not each.listed)
    return (
        *_told(known, Use.STRAY),
        *(
            f"This node {each.work} in {each.country or 'an unknown region'}, which the manifest does not list."
            for each in unlisted
        ),
    )


def _told(known: Known, use: Use) -> Iterator[str]:
    for what, usages in (("The purpose", purposes(known)), ("The region", regions_served(known))):
        yield from (f"{what} {each.name} is {use}." for each in usages if each.use is use)


def _usage(name: str, count: int) -> Usage:
    return Usage(name=name, count=count, use=Use.USED if count else Use.UNUSED)


def _strays(seen: Mapping[str, int], is_known: Callable[[str], bool]) -> tuple[Usage, ...]:
    return tuple(
        Usage(name=name, count=count, use=Use.STRAY) for name, count in sorted(seen.items()) if not is_known(name)
    )
