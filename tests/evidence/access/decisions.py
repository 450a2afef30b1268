"""Decisions of `policies.decide` beside those of the oracle."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from policies import decide, manifest
from policies.manifest import Source
from policies.model import Access, Agent, Caller, ClassId, Deny, DocumentFacts, Gap, Node, Permit
from tests.evidence.access.cases import Situation, World
from tests.evidence.access.oracle import PERMIT, Oracle, Place, Rules

SITUATIONS = 250
PAPERS = 8
"""Of each manifest so many situations are drawn, and of each so many documents judged."""
SHOWN = 5


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was compared: by the oracle's answer, how often; and every way of disagreeing."""

    decisions: int = 0
    manifests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    leaks: int = 0
    wrong_denials: int = 0
    other_reasons: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take in what somebody else counted."""
        self.decisions += other.decisions
        self.manifests += other.manifests
        self.answers += other.answers
        self.leaks += other.leaks
        self.wrong_denials += other.wrong_denials
        self.other_reasons += other.other_reasons
        self.examples = (self.examples + other.examples)[:SHOWN]

    def compare(self, ours: str, right: str, case: object) -> None:
        """Count one answer beside the right one."""
        if ours == right:
            return
        self.leaks += ours == PERMIT
        self.wrong_denials += right == PERMIT
        self.other_reasons += PERMIT not in (ours, right)
        if len(self.examples) < SHOWN:
            self.examples.append(f"{ours}, where the design says {right}: {case}")


def judged(decisions: int, seed: int) -> Tally:
    """So many decisions, each made by `readable` and by `permits`, beside the oracle's."""
    chance, tally = Random(seed), Tally()  # noqa: S311 - a repeatable run, not a secret
    while tally.decisions < decisions:
        world = World(chance)
        source, oracle = manifest.parse(world.text, path="evidence.yaml"), Oracle(world.manifest)
        tally.manifests += 1
        for _ in range(SITUATIONS):
            if tally.decisions >= decisions:
                break
            _judge(world, source, oracle, tally, min(PAPERS, decisions - tally.decisions))
    return tally


def _judge(world: World, source: Source, oracle: Oracle, tally: Tally, number: int) -> None:
    """Every document of one situation, both ways."""
    case = world.situation()
    papers = world.papers(case.now, number)
    caller, node = caller_of(case), node_of(case.place)
    accesses = [_access(paper.rules) for paper in papers]
    of_classes = decide.permits(
        caller=caller,
        purpose=case.purpose,
        source=source,
        classes={ClassId(str(rank)): access for rank, access in enumerate(accesses)},
        node=node,
        now=case.now,
    )
    for rank, (paper, access) in enumerate(zip(papers, accesses, strict=True)):
        readable = decide.readable(
            caller=caller,
            purpose=case.purpose,
            source=source,
            document=DocumentFacts(access=access, anchor=paper.anchor, restricted=paper.restricted),
            node=node,
            now=case.now,
        )
        right = oracle.reads(case.caller, case.agent, case.purpose, case.place, paper, case.now)
        searched = oracle.searches(case.caller, case.agent, case.purpose, case.place, paper.rules, case.now)
        tally.decisions += 1
        tally.answers[right] += 1
        told = (case, paper, world.manifest)
        tally.compare(_answer(readable, source, case.purpose, case.now), right, told)
        permit = of_classes[ClassId(str(rank))]
        tally.compare(_answer(permit, source, case.purpose, case.now), searched, told)


def _answer(outcome: Permit | Deny | Gap, source: Source, purpose: str, now: datetime) -> str:
    """The reason, or `permit` where what was permitted is what was asked."""
    if not isinstance(outcome, Permit):
        return outcome.reason.value
    asked = (source.name, source.policy_hash, purpose, source.policy.retention.period, now)
    granted = (outcome.source, outcome.policy_hash, outcome.purpose, outcome.period, outcome.at)
    return PERMIT if granted == asked else f"a permit for {granted}"


def caller_of(case: Situation) -> Caller:
    """Who asks, in the words of the code."""
    one = case.agent
    agent = one and Agent(
        subject=one.subject, groups=frozenset(one.groups), purposes=frozenset(one.purposes), region=one.region
    )
    one = case.caller
    return Caller(
        subject=one.subject,
        groups=frozenset(one.groups),
        purposes=frozenset(one.purposes),
        region=one.region,
        agent=agent,
    )


def node_of(place: Place) -> Node:
    """Where the process runs, in the words of the code."""
    return Node(process_region=place.process, store_regions=frozenset(place.store), system_region=place.system)


def _access(rules: Rules | None) -> Access | None:
    return rules and Access(allow=frozenset(rules.allow), deny=frozenset(rules.deny), as_of=rules.as_of)
