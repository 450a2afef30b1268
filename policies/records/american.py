"""Where a customer's data go under the law of the United States: sector rule, contract, flows, disposal."""

from collections.abc import Mapping, Sequence

from policies import facts as law
from policies.facts import Identifier, Sector
from policies.manifest.clauses import Customer
from policies.records import drift, words
from policies.records.answers import after_retention, redaction
from policies.records.cells import escape, table
from policies.records.flow import flows
from policies.records.known import Facts, Known

_HIPAA = "hipaa"
_AT_REST = (
    "Texts, titles and vectors of the catalog are sealed with a key for each document (AES-256-GCM). Words and vectors "
    "of the index (sources/) are not: it needs an encrypted volume and stays out of backups."
)


Held = tuple[Known, Customer]
"""A source and the customer that it is held for."""


def customers(facts: Facts) -> Mapping[str, tuple[Held, ...]]:
    """The sources under the law of the United States, by the name of the customer that they are held for."""
    found: dict[str, tuple[Held, ...]] = {}
    for known in facts.sources:
        customer = known.source.policy.customer
        if customer is not None:
            found[customer.name] = (*found.get(customer.name, ()), (known, customer))
    return found


def document(name: str, held: Sequence[Held], facts: Facts) -> str:
    """The data-flow document of one customer, in Markdown."""
    parts = [
        f"# Data flow for {escape(name)}",
        f"Made on {facts.now:%Y-%m-%d} from the manifests in force and from what was observed.",
    ]
    for known, customer in held:
        parts += _source(known, customer, facts)
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _source(known: Known, customer: Customer, facts: Facts) -> list[str]:
    source = known.source
    sector = next(row for row in law.sectors().rows if row.name == customer.sector)
    found = drift.sentences(known, facts.node)
    parts = [
        f"## {escape(source.title)} ({escape(source.name)})",
        table(("", "Content"), _particulars(known, customer, sector)),
        "### Flow",
        table(("Station", "Where", "What"), _stations(known, facts)),
        "### Disposal",
        table(("", "Content"), _disposal(known, sector)),
        "### What was observed and is not as configured",
        "".join(f"- {escape(sentence)}\n" for sentence in found) or "Nothing.",
    ]
    return [*parts, *_identifiers(known, facts)] if customer.sector == _HIPAA else parts


def _particulars(known: Known, customer: Customer, sector: Sector) -> list[tuple[str, str]]:
    source = known.source
    policy = source.policy
    agreement = customer.agreement or ("GAP: policy.customer.agreement" if sector.needs_agreement else "none needed")
    unsure = f" (unsure: {sector.unsure})" if sector.unsure else ""
    return [
        ("Controller", policy.controller),
        ("Contract", customer.contract),
        ("Sector rule", f"{sector.title}: {sector.law}{unsure}"),
        ("Agreement", f"{agreement}; {sector.agreement_law}" if sector.agreement_law else agreement),
        ("Permitted by", f"{policy.lawful_basis.basis.replace('_', ' ')}: {policy.lawful_basis.reference}"),
        ("Purposes", ", ".join(policy.purposes)),
        ("Who runs Penstock", policy.record.processor or policy.contract.processor_agreement or "GAP"),
        ("Security", policy.record.security or "GAP: the security measures (policy.record.security)"),
        ("At rest", _AT_REST),
        ("Redaction", redaction(policy, "en")),
    ]


def _stations(known: Known, facts: Facts) -> list[tuple[str, str, str]]:
    (flow,) = flows(Facts(sources=(known,), node=facts.node, profiles=facts.profiles, now=facts.now))
    return [
        (
            box.title,
            box.place,
            "; ".join(line.text.removeprefix("· ") + (f" ({line.use})" if line.use else "") for line in box.lines),
        )
        for box in flow.boxes
    ]


def _disposal(known: Known, sector: Sector) -> list[tuple[str, str]]:
    policy, seen = known.source.policy, known.observed
    last = f"{seen.last_retrieved:%Y-%m-%d}" if seen.last_retrieved else "never"
    kept = words.say("en", policy.retention.anchor, period=words.period("en", policy.retention.period))
    return [
        ("Rule", sector.disposal or "the rule sets none"),
        ("Kept", f"{kept}, {after_retention(known.source, 'en')}"),
        ("Last use", last),
        ("Past the period and not purged yet", str(seen.overdue)),
        ("Past the period and kept by an order", str(seen.spared)),
        ("Purged so far, each with a signed receipt", str(seen.purged)),
        ("Shown by", f"penstock purge plan {known.source.name}; penstock purge receipts"),
    ]


def _identifiers(known: Known, facts: Facts) -> list[str]:
    clause = known.source.policy.redaction
    covered = facts.profiles[clause.profile].union(clause.also).difference(clause.keep)
    rows = [(row.letter, row.title, *_coverage(row, covered)) for row in law.identifiers().rows]
    return [
        "### The identifiers of 45 CFR 164.514(b)(2)(i)",
        (
            f"What the redaction profile {clause.covered} replaces. This is no de-identification: the Safe Harbor "
            "method asks for all eighteen and for no actual knowledge that what is left identifies somebody. "
            f"As configured: {redaction(known.source.policy, 'en')}."
        ),
        table(("", "Identifier", "Covered", "Not covered"), rows),
    ]


def _coverage(row: Identifier, covered: frozenset[str]) -> tuple[str, str]:
    """What of an identifier the profile replaces, and what it leaves."""
    found, off = sorted(row.entities & covered), sorted(row.entities - covered)
    left = [row.missing] if row.missing else []
    left += [f"{', '.join(off)} (not in this profile)"] if off else []
    return ", ".join(found) or "no", "; ".join(left)
