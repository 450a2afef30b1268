"""What is on paper before a source leaves `draft`: contract, impact assessment, customer, conditions of the law."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from policies import facts
from policies.facts import Schedule1
from policies.manifest.clauses import Policy
from policies.manifest.problem import Problem
from policies.yamldoc import Place

OWN_OPERATION = "own operation"
"""In place of a processor agreement: the controller runs Penstock itself."""
CRITERIA_ENOUGH = 2
"""WP 248 rev.01, section III.B: in most cases processing that meets two criteria asks for an assessment."""
RECOGNISED = "recognised_legitimate_interest"
"""The basis that holds only where a condition of UK GDPR Annex 1 is met."""
_CITED = re.compile(r"Part ([0-9]+), para\. ([0-9]+)(?:[A-Z]+|\([0-9a-z]+\))*(; policy document \S.*)?")


def problems(state: str, policy: Policy) -> Iterator[Problem]:
    """What the papers lack or contradict. A source in `draft` may lack them, but may not contradict itself."""
    left_draft = state != "draft"
    yield from _recognised(policy, left_draft=left_draft)
    yield from _schedule_1(policy, left_draft=left_draft)
    yield from _contract(policy, left_draft=left_draft)
    yield from _record(policy, left_draft=left_draft)
    yield from _assessment(policy, left_draft=left_draft)
    yield from _customer(policy, left_draft=left_draft)


def needs_assessment(policy: Policy) -> bool:
    """Whether the criteria that apply ask for an impact assessment: two of WP 248, or one type of the French list."""
    clause = policy.assessment
    return clause is not None and (len(clause.criteria) >= CRITERIA_ENOUGH or bool(clause.french_list))


def _recognised(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause, place = policy.lawful_basis, ("lawful_basis", "condition")
    if clause.basis != RECOGNISED:
        if clause.condition is not None:
            yield Problem(
                place=place,
                message=f"A condition of Annex 1 is for {RECOGNISED!r}, not for {clause.basis[:60]!r}.",
                mend="Remove the key.",
            )
        return
    known = sorted(row.name for row in facts.grounds().recognised_interests if policy.regime in row.since)
    if clause.condition is not None:
        yield from _unknown(place, (clause.condition,), known)
    elif known and left_draft:
        yield Problem(
            place=place,
            message="A recognised legitimate interest meets a condition of Annex 1 (UK GDPR Art. 6(1)(ea)).",
            mend=f"Write one of: {', '.join(known)}; or rest on legitimate_interests with its assessment.",
        )


def _schedule_1(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause = policy.special_categories
    if clause is None:
        return
    place = ("special_categories", "schedule_1")
    rows = (row for row in facts.grounds().special_categories if row.name == clause.condition)
    wanted = next((row.schedule_1 for row in rows if row.schedule_1 and policy.regime in row.since), None)
    if policy.regime != "uk-gdpr" or wanted is None:
        if clause.schedule_1 is not None:
            yield Problem(place=place, message=_idle_schedule_1(policy), mend="Remove the key.")
    elif clause.schedule_1 is None:
        if left_draft:
            yield Problem(
                place=place,
                message=f"{clause.condition!r} needs a condition of Schedule 1, Part {wanted.part} (DPA 2018 s. 10).",
                mend=f'Add the paragraph that is met, for example: schedule_1: "{_example(wanted)}".',
            )
    elif not _cites(clause.schedule_1, wanted):
        document = " with the policy document, or why none is asked for" if wanted.policy_document else ""
        yield Problem(
            place=place,
            message=f"This does not cite one paragraph of Schedule 1, Part {wanted.part}, para. {wanted.paragraphs}"
            f"{document}.",
            mend=f'Write it as in: schedule_1: "{_example(wanted)}".',
        )


def _idle_schedule_1(policy: Policy) -> str:
    if policy.regime != "uk-gdpr":
        return f"Schedule 1 is the United Kingdom's and does nothing under {policy.regime}."
    return "The condition of Art. 9 needs none of Schedule 1."


def _example(wanted: Schedule1) -> str:
    document = "; policy document APD-2026-01" if wanted.policy_document else ""
    return f"Part {wanted.part}, para. {_span(wanted).start}{document}"


def _cites(text: str, wanted: Schedule1) -> bool:
    """Whether the text is `Part N, para. M` of the paragraphs wanted, with a policy document where one is needed."""
    found = _CITED.fullmatch(text)
    if found is None or (wanted.policy_document and found[3] is None):
        return False
    return int(found[1]) == wanted.part and int(found[2]) in _span(wanted)


def _span(wanted: Schedule1) -> range:
    first, _, last = wanted.paragraphs.partition("-")
    return range(int(first), int(last or first) + 1)


def _contract(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause, place = policy.contract, ("contract",)
    if clause.dpia is not None and clause.dpia_not_required is not None:
        yield Problem(
            place=(*place, "dpia_not_required"),
            message="There is an impact assessment and a reason why there is none.",
            mend="Keep one of the two.",
        )
    if not left_draft:
        return
    if clause.processor_agreement is None:
        yield Problem(
            place=place,
            message="A source that leaves draft needs its processor agreement (GDPR Art. 28(3)).",
            mend='Add it, for example: processor_agreement: DPA-2026-007, or "own operation" where the controller '
            "runs Penstock itself.",
        )
    if policy.regime != "us" and clause.dpia is None and (clause.dpia_not_required is None or needs_assessment(policy)):
        yield _without_dpia(policy)


def _without_dpia(policy: Policy) -> Problem:
    if needs_assessment(policy):
        return Problem(
            place=("contract", "dpia" if policy.contract.dpia_not_required is None else "dpia_not_required"),
            message="The criteria that apply ask for an impact assessment (GDPR Art. 35; WP 248).",
            mend="Make one and name it in place of a reason, for example: dpia: DPIA-2026-003; or leave the source in "
            "draft.",
        )
    return Problem(
        place=("contract",),
        message="A source that leaves draft needs an impact assessment (GDPR Art. 35).",
        mend="Add it, for example: dpia: DPIA-2026-003, or dpia_not_required with the reason.",
    )


def _record(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause = policy.record
    if clause.processor is not None and policy.contract.processor_agreement == OWN_OPERATION:
        yield Problem(
            place=("record", "processor"),
            message="A processor is named, and the contract says that the controller runs Penstock itself.",
            mend="Remove the processor, or name the agreement with it under contract: processor_agreement.",
        )
    if left_draft and policy.regime == "gdpr" and clause.country is None:
        yield Problem(
            place=("record", "country"),
            message="Where the controller is established decides which list of the Union counts (GDPR Art. 35(4)).",
            mend="Add it, for example: country: fr.",
        )


def _assessment(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause, place = policy.assessment, ("assessment",)
    french = policy.regime == "gdpr" and policy.record.country == "fr"
    if clause is None:
        if left_draft and french:
            yield Problem(
                place=place,
                message="A French source that leaves draft says which criteria for an impact assessment apply.",
                mend="Add it, for example: assessment: {criteria: none, french_list: none}.",
            )
        return
    if policy.regime == "us":
        yield Problem(
            place=place, message="The regime us does not know these criteria.", mend="Remove the key assessment."
        )
        return
    table = facts.assessment()
    yield from _unknown((*place, "criteria"), clause.criteria, (row.name for row in table.criteria))
    yield from _unknown((*place, "french_list"), clause.french_list or (), (row.name for row in table.french_list))
    if french and left_draft and clause.french_list is None:
        yield Problem(
            place=(*place, "french_list"),
            message="A French source that leaves draft says which types of the CNIL's list apply (délib. 2018-327).",
            mend="Add it, for example: french_list: none.",
        )
    if clause.french_list is not None and not french and policy.record.country is not None:
        yield Problem(
            place=(*place, "french_list"),
            message="The CNIL's list counts for controllers in France under gdpr only.",
            mend="Remove the key, or write record: {country: fr} where that is so.",
        )


def _customer(policy: Policy, *, left_draft: bool) -> Iterator[Problem]:
    clause, place = policy.customer, ("customer",)
    if policy.regime != "us":
        if clause is not None:
            yield Problem(
                place=place,
                message=f"A customer and its sector's rule are of the regime us, not of {policy.regime}.",
                mend="Remove the key; the controller and the lawful basis say it here.",
            )
        return
    if clause is None:
        if left_draft:
            yield Problem(
                place=place,
                message="A source under us that leaves draft names its customer, the contract and the sector's rule.",
                mend="Add it, for example: customer: {name: Fabrikam Inc., contract: MSA-2026-11, sector: none}.",
            )
        return
    sectors = {row.name: row for row in facts.sectors().rows}
    yield from _unknown((*place, "sector"), (clause.sector,), sectors)
    if clause.sector in sectors and sectors[clause.sector].needs_agreement and clause.agreement is None:
        yield Problem(
            place=(*place, "agreement"),
            message=f"{clause.sector!r} asks for an agreement ({sectors[clause.sector].agreement_law}).",
            mend="Add its reference, for example: agreement: BAA-2026-04.",
        )


def _unknown(place: Place, names: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    known = sorted(known)
    for name in names:
        if name not in known:
            likely = get_close_matches(name, known, n=1)
            mend = f"Did you mean {likely[0]!r}?" if likely else f"Write one of: {', '.join(known)}."
            yield Problem(place=place, message=f"{name[:60]!r} is not in the table of facts.", mend=mend)
