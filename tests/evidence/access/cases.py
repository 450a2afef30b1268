"""Random manifests, people, nodes, documents and clocks, with the edges of each rule drawn on purpose.

Everything is drawn near what would be let through, so that the later rules are reached as often as the first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from tests.evidence.access import law
from tests.evidence.access.oracle import Paper, Person, Place, Rules

T = TypeVar("T")

GROUPS = ("staff", "board", "Board", "staff-fr", "user:ann", "équipe", "ann")
SUBJECTS = ("ann", "ben", "board", "Ann", "group:staff", "zoë")
PURPOSES = ("employee-support", "hr-administration", "customer-support", "research")
PERIODS = ("P1D", "P30D", "P1M", "P6M", "P1Y", "P2Y", "P18M", "P1Y1M1D", "P5W", "P11M30D", "P40Y", "P100Y")
AGES = ("PT1M", "PT15M", "PT4H", "P1D", "P7D")
FAR = ("us", "in", "cn", "za", "br", "ca", "jp", "kr", "ch", "gb", "fr", "no", "de", "gi", "eu", "eea", "GB")
EDGES = (
    "2024-02-29T00:00:00",
    "2024-02-29T12:00:00",
    "2024-03-01T00:00:00",
    "2025-02-28T23:59:59.999999",
    "2025-03-01T00:00:00",
    "2025-03-30T01:30:00",
    "2025-10-26T01:30:00",
    "2026-01-25T23:59:59.999999",
    "2026-01-26T00:00:00",
    "2026-02-04T23:59:59.999999",
    "2026-02-05T00:00:00",
    "2028-02-29T23:59:59.999999",
    "2030-12-31T23:59:59.999999",
    "2031-01-31T10:00:00",
    "2031-12-27T23:59:59.999999",
    "2031-12-28T00:00:00",
)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DRIFTS = (timedelta(0), timedelta(0), -HOUR, HOUR, TICK, -TICK, DAY, -DAY, 30 * DAY, 365 * DAY, 366 * DAY, -365 * DAY)
CHECKED_DAYS_AGO = (0, 1, 2, 30, 60, 90, 150, 200, 364, 365, 366, 400, -1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Everything a decision asks beside the document."""

    caller: Person
    agent: Person | None
    purpose: str
    place: Place
    now: datetime


class World:
    """One manifest with the people, places, papers and clocks that are asked about it."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        day = datetime(2021, 7, 1, tzinfo=UTC) + chance.randrange(4500) * DAY
        edge = datetime.fromisoformat(chance.choice(EDGES)).replace(tzinfo=UTC)
        self.base = edge if chance.random() < 0.4 else day + chance.randrange(86_400) * timedelta(seconds=1)
        self.manifest = _manifest(chance, self.base)
        policy = self.manifest["policy"]
        self._purposes: list[str] = policy["purposes"]
        self._near = self._countries(policy["residency"])

    @property
    def text(self) -> str:
        """The manifest as a file; JSON is YAML."""
        return json.dumps(self.manifest, ensure_ascii=False, indent=1)

    def situation(self) -> Situation:
        """Somebody who asks at some time and place."""
        chance = self._chance
        return Situation(
            caller=self._person(),
            agent=self._person() if chance.random() < 0.25 else None,
            purpose=_mostly(chance, self._purposes, PURPOSES, 0.95),
            place=Place(
                process=self._country("process"),
                store=tuple(
                    self._country("store")
                    for _ in range(0 if chance.random() < 0.01 else chance.choice((1, 1, 1, 1, 2)))
                ),
                system=self._country("system"),
            ),
            now=self.base + chance.choice(DRIFTS),
        )

    def papers(self, now: datetime, number: int) -> list[Paper]:
        """Documents, some at the edge of their retention or of the age of their rules at this very moment."""
        chance = self._chance
        return [
            Paper(rules=self._rules(now), anchor=self._anchor(now), restricted=chance.random() < 0.05)
            for _ in range(number)
        ]

    def principals(self, most: int) -> list[str]:
        """At most so many names of access rules."""
        return _principals(self._chance, most)

    def _person(self) -> Person:
        chance = self._chance
        purposes = PURPOSES if chance.random() < 0.9 else chance.sample(PURPOSES, chance.randrange(4))
        groups = chance.sample(GROUPS, chance.choice((0, 1, 1, 2)))
        named: str = chance.choice(self.manifest["policy"]["access"]["allow"])
        kind, _, name = named.partition(":")
        if kind == "group" and name not in groups and chance.random() < 0.8:
            groups.append(name)
        return Person(
            subject=name if kind == "user" and chance.random() < 0.8 else chance.choice(SUBJECTS),
            groups=tuple(groups),
            purposes=tuple(purposes),
            region=self._country("serve"),
        )

    def _country(self, fact: str) -> str | None:
        chance = self._chance
        if chance.random() < 0.01:
            return None
        return _mostly(chance, self._near[fact], FAR, 0.97)

    def _countries(self, residency: dict[str, Any]) -> dict[str, list[str]]:
        near: dict[str, list[str]] = {}
        for fact in ("process", "store", "serve", "system"):
            listed: list[str] = residency.get(fact) or residency["store"]
            # The listed names count as much as a group's many members do together.
            near[fact] = [*sorted(law.countries(listed)), *(10 * [each for each in listed if each not in law.GROUPS])]
            if fact != "store":
                near[fact] += [each["to"] for each in residency.get("transfers", ()) if each["to"] not in law.GROUPS]
        return near

    def _rules(self, now: datetime) -> Rules | None:
        chance, access = self._chance, self.manifest["policy"]["access"]
        if chance.random() < 0.03:
            return None
        mirrored = "documents" in access and access["documents"]["from"] == "connector"
        as_of = None
        if mirrored != (chance.random() < 0.02):
            age = _span(access.get("max_age", "PT15M"))
            ages: tuple[timedelta, ...] = (timedelta(0), age / 2, age / 3, -age / 2, age, -age)
            if chance.random() < 0.2:
                ages = (age + TICK, -age - TICK, 3 * age)
            as_of = now - chance.choice(ages)
        allow = access["allow"] if chance.random() < 0.6 else _principals(chance, 3)
        deny = _principals(chance, 2) if chance.random() < 0.2 else ()
        return Rules(allow=tuple(allow), deny=tuple(deny), as_of=as_of)

    def _anchor(self, now: datetime) -> datetime | None:
        chance = self._chance
        drawn = chance.random()
        if drawn < 0.02:
            return None
        if drawn < 0.05:
            return now + chance.choice((DAY, DAY + TICK, DAY - TICK, HOUR, 3 * DAY))
        counts = _units(self.manifest["policy"]["retention"]["period"])
        span = (counts["Y"] * 365 + counts["M"] * 30 + counts["W"] * 7 + counts["D"]) * DAY
        if drawn < 0.7:
            return now - span * chance.random() * 0.99
        return _back(now, counts) + chance.choice((timedelta(0), TICK, -TICK, DAY, -DAY, 2 * DAY, 3 * DAY, HOUR))


SCHEDULE_1 = {
    "employment_social_protection": "Part 1, para. 1; policy document APD-1",
    "substantial_public_interest": "Part 2, para. 8; policy document APD-1",
    "health_or_social_care": "Part 1, para. 2",
    "public_health": "Part 1, para. 3",
    "archiving_research_statistics": "Part 1, para. 4",
}
"""What the Data Protection Act 2018 asks for beside a condition of Art. 9."""


def _manifest(chance: Random, base: datetime) -> dict[str, Any]:
    regime = chance.choice(("gdpr", "uk-gdpr", "us"))
    bases = sorted(law.BASES[regime])
    if regime == "uk-gdpr" and chance.random() < 0.2:
        bases = ["recognised_legitimate_interest"]
    policy: dict[str, Any] = {
        "controller": "Example Ltd",
        "regime": regime,
        "lawful_basis": {"basis": chance.choice(bases), "reference": "R-1"},
        "special_categories": _special(chance, regime),
        "purposes": chance.sample(PURPOSES, chance.choice((1, 2, 3))),
        "retention": {"period": chance.choice(PERIODS), "from": "modified"},
        "residency": _residency(chance, regime, base),
        "access": _access(chance),
        "redaction": {"profile": "balanced", "languages": ["en"]},
        "contract": {"processor_agreement": "DPA-1", "dpia": "DPIA-1"},
    }
    if policy["lawful_basis"]["basis"] == "recognised_legitimate_interest":
        policy["lawful_basis"]["condition"] = "safeguarding"
    if regime == "gdpr":
        policy["record"] = {"country": "de"}
    if regime == "us":
        policy["customer"] = {"name": "Fabrikam Inc.", "contract": "MSA-1", "sector": "none"}
    return {
        "source": "evidence",
        "title": "Evidence",
        "owner": "owner@example.com",
        "state": _mostly(chance, ["active"], ("draft", "suspended"), 0.98),
        "serving": _mostly(chance, ["on"], ("off",), 0.98),
        "connector": {"kind": "filesystem", "root": "x"},
        "policy": policy,
    }


def _special(chance: Random, regime: str) -> object:
    if chance.random() < 0.7:
        return "none"
    condition = chance.choice(sorted(law.CONDITIONS[regime]))
    schedule = {"schedule_1": SCHEDULE_1[condition]} if regime == "uk-gdpr" and condition in SCHEDULE_1 else {}
    return {"condition": condition, "reference": "A9-1", **schedule}


def _residency(chance: Random, regime: str, base: datetime) -> dict[str, Any]:
    if regime == "us":
        pool, transfers = ["us", "gb", "eu", "in", "ca"], []
    else:
        transfers = _transfers(chance, regime, base)
        inside = ["eu", "eea", "de", "fr"] if regime == "gdpr" else ["gb"]
        free = ["gb", "ch", "il", "nz", "br"] if regime == "gdpr" else ["eu", "eea", "fr", "ch", "il", "gi"]
        pool = [*inside, *chance.sample(free, 3), *(each["to"] for each in transfers)]
    listed = {
        fact: chance.sample(sorted(set(pool)), chance.choice((1, 2, 3))) for fact in ("process", "store", "serve")
    }
    residency: dict[str, Any] = {**listed, "transfers": transfers}
    if chance.random() < 0.3:
        residency["system"] = chance.sample(sorted(set(pool)), chance.choice((1, 2)))
    return residency


def _transfers(chance: Random, regime: str, base: datetime) -> list[dict[str, str]]:
    """Ways out, each by a mechanism that reaches the country at some time."""
    found = {}
    for _ in range(chance.choice((0, 1, 2, 3))):
        to = chance.choice(["us", "in", "ca", "jp", "za", "kr", "ch", "gb" if regime == "gdpr" else "fr"])
        ways = [*law.ANYWHERE[regime]]
        if to == "us":
            ways.append("dpf")
        if to in law.ADEQUATE[regime] or to in law.CONDITIONAL[regime]:
            ways.append("adequacy")
        checked_on = (base - chance.choice(CHECKED_DAYS_AGO) * DAY).date()
        way = chance.choice(ways)
        found[to, way] = {"to": to, "mechanism": way, "reference": "T-1", "checked_on": checked_on.isoformat()}
    if regime == "uk-gdpr" and chance.random() < 0.1:
        checked_on = (base - 30 * DAY).date()
        found["eu", "adequacy"] = {
            "to": "eu",
            "mechanism": "adequacy",
            "reference": "T-2",
            "checked_on": checked_on.isoformat(),
        }
    return list(found.values())


def _access(chance: Random) -> dict[str, Any]:
    allow = _principals(chance, 4) or ["group:staff"]
    deny = [name for name in _principals(chance, 1) if name not in allow and chance.random() < 0.5]
    access: dict[str, Any] = {"allow": allow, "deny": deny}
    if chance.random() < 0.5:
        access |= {"documents": {"from": "connector"}, "max_age": chance.choice(AGES)}
    elif chance.random() < 0.3:
        access["max_age"] = chance.choice(AGES)
    return access


def _principals(chance: Random, most: int) -> list[str]:
    named = [f"group:{group}" for group in GROUPS] + [f"user:{subject}" for subject in SUBJECTS]
    return chance.sample(named, chance.randrange(most + 1))


def _mostly(chance: Random, near: Sequence[T], far: Sequence[T], share: float) -> T:
    return chance.choice(near) if chance.random() < share else chance.choice(far)


def _units(text: str) -> dict[str, int]:
    counts, digits = dict.fromkeys("YMWDH", 0), ""
    for letter in text[1:]:
        if letter.isdigit():
            digits += letter
        elif letter in counts:
            counts[letter], digits = int(digits), ""
    return counts


def _span(text: str) -> timedelta:
    """How long an age of these manifests is."""
    spans = {"PT1M": 60, "PT15M": 900, "PT4H": 14_400, "P1D": 86_400, "P7D": 604_800}
    return timedelta(seconds=spans[text])


def _back(now: datetime, counts: dict[str, int]) -> datetime:
    """An anchor that is due at about `now`: exactly then wherever the calendar is regular."""
    moment = now - (counts["W"] * 7 + counts["D"]) * DAY
    year, month = divmod(moment.year * 12 + moment.month - 1 - counts["Y"] * 12 - counts["M"], 12)
    return (
        moment.replace(year=year, month=month + 1, day=min(moment.day, 28)) + (moment.day - min(moment.day, 28)) * DAY
    )
