"""Who may read what, written from the design only: plain Python that shares nothing with what it judges.

A manifest is what YAML gives, as dictionaries and lists; callers, nodes and documents are the plain tuples below.
Every answer is `permit` or the first reason that denies, in the order of the design. What is absent denies.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from tests.evidence.access import law

PERMIT = "permit"
EVIDENCE_DAYS = 365
DAY = timedelta(days=1)
DECEMBER = 12
Steps = Iterator[tuple[bool, str]]
"""What is asked, in order: whether it passes, and the reason where it does not."""


class Person(NamedTuple):
    """Somebody who asks, or an agent that acts for somebody."""

    subject: str
    groups: tuple[str, ...]
    purposes: tuple[str, ...]
    region: str | None


class Place(NamedTuple):
    """Where the process runs, where documents lie and where logs go."""

    process: str | None
    store: tuple[str | None, ...]
    system: str | None


class Rules(NamedTuple):
    """Who may read a document, and when somebody last looked."""

    allow: tuple[str, ...]
    deny: tuple[str, ...]
    as_of: datetime | None


class Paper(NamedTuple):
    """A document, as far as the decision goes."""

    rules: Rules | None
    anchor: datetime | None
    restricted: bool


class Oracle:
    """One manifest, read once."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        policy = manifest["policy"]
        self.active = manifest.get("state", "draft") == "active"
        self.serving = manifest.get("serving", "off") == "on"
        self.regime: str = policy["regime"]
        self.basis: str = policy["lawful_basis"]["basis"]
        special = policy["special_categories"]
        self.condition = None if special == "none" else str(special["condition"])
        self.purposes: list[str] = policy["purposes"]
        self.retention = _period(policy["retention"]["period"])
        residency = policy["residency"]
        self.lists = {fact: law.countries(residency[fact]) for fact in ("process", "store", "serve")}
        self.lists["system"] = law.countries(residency.get("system") or residency["store"])
        self.transfers = [
            (law.countries([each["to"]]), str(each["mechanism"]), date.fromisoformat(each["checked_on"]))
            for each in residency.get("transfers", ())
        ]
        access = policy["access"]
        self.allow, self.deny = set(access["allow"]), set(access.get("deny", ()))
        self.mirrors = access.get("documents", {}).get("from") == "connector"
        self.max_age = _span(access["max_age"]) if "max_age" in access else None

    def reads(
        self, caller: Person, agent: Person | None, purpose: str, place: Place, paper: Paper, now: datetime
    ) -> str:
        """May this caller read this document?"""
        source, regions = self._source(caller, agent, purpose, now), self._regions(caller, agent, place, now)
        return _first(chain(source, regions, self._time(paper, now), self._rules(caller, agent, paper.rules, now)))

    def searches(
        self, caller: Person, agent: Person | None, purpose: str, place: Place, rules: Rules | None, now: datetime
    ) -> str:
        """May this caller search the documents that have these rules? Time and restriction are each document's own."""
        source, regions = self._source(caller, agent, purpose, now), self._regions(caller, agent, place, now)
        return _first(chain(source, regions, self._rules(caller, agent, rules, now)))

    def lives(self, paper: Paper, now: datetime) -> str:
        """Is the document one that anybody may read at all?"""
        return _first(self._time(paper, now))

    def due(self, paper: Paper) -> datetime:
        """When the document passes its retention. It must have an anchor."""
        assert paper.anchor is not None
        return _due(paper.anchor, *self.retention)

    def _source(self, caller: Person, agent: Person | None, purpose: str, now: datetime) -> Steps:
        day = now.astimezone(UTC).date()
        yield self.active, "source_not_active"
        yield self.serving, "serving_off"
        yield day >= law.BASES[self.regime].get(self.basis, law.NEVER), "basis_not_valid"
        if self.condition is not None:
            yield day >= law.CONDITIONS[self.regime].get(self.condition, law.NEVER), "basis_not_valid"
        yield purpose in self.purposes, "purpose_not_of_source"
        yield purpose in caller.purposes, "purpose_not_of_caller"
        yield agent is None or purpose in agent.purposes, "purpose_not_of_agent"

    def _regions(self, caller: Person, agent: Person | None, place: Place, now: datetime) -> Steps:
        day = now.astimezone(UTC).date()
        yield self._may_go("process", place.process, day), "process_region"
        stored = bool(place.store) and all(self._may_go("store", each, day) for each in place.store)
        yield stored, "store_region"
        yield self._may_go("system", place.system, day), "system_region"
        yield caller.region is not None, "caller_region_unknown"
        yield self._may_go("serve", caller.region, day), "caller_region"
        if agent is not None:
            yield agent.region is not None, "agent_region_unknown"
            yield self._may_go("serve", agent.region, day), "agent_region"

    def _may_go(self, fact: str, country: str | None, day: date) -> bool:
        if country is None:
            return False
        listed = country in self.lists[fact]
        if listed and law.free(self.regime, country, day):
            return True
        if fact != "serve" and not listed:
            # A transfer leads to who is served; where data lie, are worked on and logged is said by the lists alone.
            return False
        return any(
            country in reached
            and 0 <= (day - checked_on).days <= EVIDENCE_DAYS
            and law.carries(mechanism, self.regime, country, day)
            for reached, mechanism, checked_on in self.transfers
        )

    def _time(self, paper: Paper, now: datetime) -> Steps:
        yield paper.anchor is not None and paper.anchor <= now + DAY, "retention_unknown"
        yield now < self.due(paper), "retention_passed"
        yield not paper.restricted, "restricted"

    def _rules(self, caller: Person, agent: Person | None, rules: Rules | None, now: datetime) -> Steps:
        if rules is None:
            yield False, "acl_missing"
            return
        mirrored = self.mirrors or rules.as_of is not None
        yield not mirrored or self._fresh(rules.as_of, now), "acl_stale"
        for person, whose in ((caller, ""), (agent, "agent_")):
            if person is not None:
                names = {f"user:{person.subject}", *(f"group:{group}" for group in person.groups)}
                yield names.isdisjoint(self.deny) and names.isdisjoint(rules.deny), f"{whose}deny_rule"
                bounded = self.mirrors and names.isdisjoint(self.allow)
                yield not bounded and not names.isdisjoint(rules.allow), f"{whose}no_allow_rule"

    def _fresh(self, as_of: datetime | None, now: datetime) -> bool:
        return as_of is not None and self.max_age is not None and abs(now - as_of) <= self.max_age


def _first(steps: Steps) -> str:
    return next((reason for passes, reason in steps if not passes), PERMIT)


def _period(text: str) -> tuple[int, int]:
    """Months and days of an ISO 8601 period."""
    counts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMWD])", text)}
    return counts.get("Y", 0) * 12 + counts.get("M", 0), counts.get("W", 0) * 7 + counts.get("D", 0)


def _span(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours and minutes."""
    counts = {unit: int(number) for number, unit in re.findall(r"(\d+)([DHM])", text)}
    return timedelta(days=counts.get("D", 0), hours=counts.get("H", 0), minutes=counts.get("M", 0))


def _due(anchor: datetime, months: int, days: int) -> datetime:
    """The end of the period: the same day and hour so many months on, or the end of a month that has no such day."""
    anchor = anchor.astimezone(UTC)
    year, month = anchor.year + months // 12, anchor.month + months % 12
    if month > DECEMBER:
        year, month = year + 1, month - DECEMBER
    _, length = calendar.monthrange(year, month)
    if anchor.day <= length:
        end = anchor.replace(year=year, month=month)
    else:
        end = datetime(year, month, length, tzinfo=UTC) + DAY
    return end + days * DAY
