"""What a record of processing asks of a source and a purpose, answered from the manifest, the operator and the past.

Whatever nobody said is a gap that names the manifest key which fills it. Nothing is made up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from policies import facts
from policies.facts import Ground
from policies.manifest import Policy, Source
from policies.manifest.papers import OWN_OPERATION, RECOGNISED, needs_assessment
from policies.model import Node
from policies.records import words
from policies.records.cells import Cell, Part, config, gap, observed, operator
from policies.records.exits import Exit, exits
from policies.records.known import Known
from policies.records.words import Language


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One row of a record: a source, one of its purposes, and the language it is written in."""

    known: Known
    purpose: str
    language: Language
    node: Node
    now: datetime

    @property
    def policy(self) -> Policy:
        """The source's policy."""
        return self.known.source.policy

    def say(self, phrase: str, **values: object) -> str:
        """A phrase in the row's language."""
        return words.say(self.language, phrase, **values)

    def gap(self, name: str, key: str | None = None) -> Part:
        """What is missing, with the key that fills it: one of `policy.record` unless another is named."""
        return gap(words.missing(self.language, name, key or f"policy.record.{name}"))


Answer = Callable[[View], Cell]


def _said(name: str) -> Answer:
    """The answer that the operator wrote under `policy.record`."""

    def answer(view: View) -> Cell:
        value = getattr(view.policy.record, name)
        if value is None:
            return (view.gap(name),)
        text = "; ".join(value) if isinstance(value, tuple) else value
        return (operator(view.say("none") if text in ("", "none") else text),)

    return answer


def _controller(view: View) -> Cell:
    country = view.policy.record.country
    named = config(view.policy.controller)
    return (named, view.gap("country")) if country is None else (named, operator(country.upper()))


def _source(view: View) -> Cell:
    source = view.known.source
    return (config(f"{source.title} ({source.name})"),)


def _purpose(view: View) -> Cell:
    return (config(view.purpose), *_said("objective")(view))


def _seen_data(view: View) -> Cell:
    counts = sorted(view.known.observed.redactions.items(), key=lambda entry: (-entry[1], entry[0]))
    seen = view.say("redacted", types=", ".join(f"{entity} {count}" for entity, count in counts))
    return (*_said("data_categories")(view), observed(seen if counts else view.say("unredacted")))


def _recipients(view: View) -> Cell:
    access, seen = view.policy.access, view.known.observed
    rules = access.documents.rules if access.documents else ()
    principals = {name for allow in (access.allow, *(rule.allow for rule in rules)) for name in allow}
    groups = sorted(name.removeprefix("group:") for name in principals if name.startswith("group:"))
    users = len(principals) - len(groups)
    parts = [view.say("groups", groups=", ".join(groups))] if groups else []
    parts += [view.say("users", count=users)] if users else []
    parts += [view.say("rules", count=len(rules))] if rules else []
    parts += [view.say("mirrored")] if view.known.source.mirrors_access else []
    past = view.say("unseen")
    if seen.retrievals:
        where = words.regions(seen.regions) or "?"
        past = view.say("seen", count=seen.retrievals, credentials=len(seen.credentials), regions=where)
    return (*_said("recipients")(view), config(", ".join(parts)), observed(past))


def _processor(view: View) -> Cell:
    agreement, named = view.policy.contract.processor_agreement, view.policy.record.processor
    if agreement == OWN_OPERATION:
        return (config(view.say("own_operation")),)
    return (
        operator(named) if named else view.gap("processor"),
        operator(agreement) if agreement else view.gap("processor_agreement", "policy.contract.processor_agreement"),
    )


def _third_countries(view: View) -> Cell:
    found = exits(view.policy, view.now)
    if not found:
        return (config(view.say("no_exit")),)
    return tuple(
        config(f"{each.region.upper()} ({', '.join(view.say(f'ways_{way}') for way in each.ways)})") for each in found
    )


def _safeguards(view: View) -> Cell:
    found = exits(view.policy, view.now)
    if not found:
        return (config(view.say("no_exit")),)
    return tuple(config(_safeguard(view, each)) for each in found)


def _safeguard(view: View, out: Exit) -> str:
    mechanism = words.name(view.language, words.MECHANISMS, out.mechanism)
    checked = f" ({view.say('checked', day=out.checked_on)})" if out.checked_on else ""
    stale = f" ({view.say('stale')})" if out.stale else ""
    return f"{out.region.upper()}: {mechanism}, {out.ground}{checked}{stale}"


def _retention(view: View) -> Cell:
    clause = view.policy.retention
    span = view.say(clause.anchor, period=words.period(view.language, clause.period))
    return (config(f"{span}, {after_retention(view.known.source, view.language)}"),)


def after_retention(source: Source, language: Language) -> str:
    """What becomes of a document whose period is over: a purge is promised only where one is scheduled."""
    cron = source.schedule.purge
    return words.say(language, "then_scheduled", cron=cron) if cron else words.say(language, "then_asked")


def _adherence(view: View) -> Cell:
    seen = view.known.observed
    past = [view.say(name, count=count) for name in ("overdue", "spared") if (count := getattr(seen, name))]
    return (observed(view.say("not_kept", what=", ".join(past)) if past else view.say("kept")),)


def _adherence_reason(view: View) -> Cell:
    seen = view.known.observed
    reasons = [view.say("overdue_why", source=view.known.source.name)] if seen.overdue else []
    reasons += [view.say("spared_why")] if seen.spared else []
    return tuple(observed(reason) for reason in reasons or [view.say("none")])


def _security(view: View) -> Cell:
    return (*_said("security")(view), config(view.say("measures", redaction=redaction(view.policy, view.language))))


def redaction(policy: Policy, language: Language) -> str:
    """What is replaced in texts before anything sees them, and what is not; with profile none, why nothing is."""
    clause = policy.redaction
    if clause.profile == "none":
        return words.say(language, "not_replaced", reason=(clause.reason or "").removesuffix("."))
    nameless = "PERSON" in clause.keep or (clause.profile == "identifiers" and "PERSON" not in clause.also)
    said = [words.say(language, "replaced_identifiers" if nameless else "replaced", profile=clause.covered)]
    if clause.allow:
        said.append(words.say(language, "allowed", number=str(len(clause.allow))))
    if clause.other_languages == "patterns":
        said.append(words.say(language, "other_languages"))
    if clause.vault:
        said.append(words.say(language, "vault_on"))
    return "; ".join(said)


def vault(policy: Policy, language: Language) -> str:
    """Whether values can be brought back from what is stored."""
    return words.say(language, "vault_on" if policy.redaction.vault else "vault_off")


def _vault(view: View) -> Cell:
    return (config(vault(view.policy, view.language)),)


def ground(rows: tuple[Ground, ...], name: str, policy: Policy) -> Ground:
    """The row of the table of facts that the manifest names; its checks saw that there is one."""
    return next(row for row in rows if row.name == name and policy.regime in row.since)


def _basis(view: View) -> Cell:
    clause = view.policy.lawful_basis
    row = ground(facts.grounds().lawful_basis, clause.basis, view.policy)
    named = words.name(view.language, words.BASES, clause.basis)
    stated = config(f"{named} ({words.law(view.language, row.law)})")
    return (stated, *_interest(view), operator(clause.reference))


def _interest(view: View) -> Cell:
    """Which recognised interest it is, where the basis asks for one."""
    clause = view.policy.lawful_basis
    if clause.basis != RECOGNISED:
        return ()
    if clause.condition is None:
        return (view.gap("interest", "policy.lawful_basis.condition"),)
    row = ground(facts.grounds().recognised_interests, clause.condition, view.policy)
    return (operator(f"{words.name(view.language, words.INTERESTS, clause.condition)} ({row.law})"),)


def _condition(view: View) -> Cell:
    clause = view.policy.special_categories
    if clause is None:
        return (config(view.say("no_special")),)
    row = ground(facts.grounds().special_categories, clause.condition, view.policy)
    named = words.name(view.language, words.CONDITIONS, clause.condition)
    return (config(f"{named} ({words.law(view.language, row.law)})"), operator(clause.reference))


def _schedule_1(view: View) -> Cell:
    clause = view.policy.special_categories
    row = None if clause is None else ground(facts.grounds().special_categories, clause.condition, view.policy)
    if clause is None or row is None or row.schedule_1 is None or view.policy.regime != "uk-gdpr":
        return (config(view.say("no_schedule_1")),)
    key = "policy.special_categories.schedule_1"
    return (operator(clause.schedule_1) if clause.schedule_1 else view.gap("schedule_1", key),)


def _only_for(basis: str, answer: Answer) -> Answer:
    """The answer where the source rests on this basis; elsewhere that it does not."""

    def of_basis(view: View) -> Cell:
        actual = view.policy.lawful_basis.basis
        if actual != basis:
            named = words.name(view.language, words.BASES, actual)
            return (config(view.say("not_applicable", basis=named)),)
        return answer(view)

    return of_basis


def _reference(view: View) -> Cell:
    return (operator(view.policy.lawful_basis.reference),)


def _rights(view: View) -> Cell:
    rights = words.RIGHTS_BY_BASIS.get(view.policy.lawful_basis.basis, ())
    named = ", ".join(words.name(view.language, words.RIGHTS, right) for right in rights)
    return (*((config(named),) if named else ()), *_said("rights")(view))


def _location(view: View) -> Cell:
    residency, node = view.policy.residency, view.node
    listed = view.say("location", store=words.regions(residency.store), process=words.regions(residency.process))
    here = view.say("node", store=words.regions(node.store_regions), process=words.regions([node.process_region]))
    return (config(listed), observed(here))


def _dpia_required(view: View) -> Cell:
    clause, contract = view.policy.assessment, view.policy.contract
    if clause is None:
        if contract.dpia_not_required is not None:
            return (operator(view.say("dpia_no", why=contract.dpia_not_required)),)
        return (view.gap("criteria", "policy.assessment.criteria"),)
    applying = "; ".join(criterion_titles(view)) or view.say("no_criterion")
    needed = needs_assessment(view.policy)
    return (config(view.say("dpia_yes" if needed else "dpia_no", why=applying)),)


def criterion_titles(view: View) -> tuple[str, ...]:
    """The criteria for an impact assessment that apply, in the view's language."""
    clause, table = view.policy.assessment, facts.assessment()
    named = {*clause.criteria, *(clause.french_list or ())} if clause else set()
    rows = (row for row in (*table.criteria, *table.french_list) if row.name in named)
    return tuple(row.title if view.language == "en" else row.title_fr for row in rows)


def _dpia(view: View) -> Cell:
    contract = view.policy.contract
    if contract.dpia is not None:
        return (operator(view.say("dpia_done", reference=contract.dpia)),)
    if contract.dpia_not_required is not None and not needs_assessment(view.policy):
        return (operator(view.say("dpia_no", why=contract.dpia_not_required)),)
    return (view.gap("dpia", "policy.contract.dpia"),)


ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "controller": _controller,
        "source": _source,
        "purpose": _purpose,
        "data": _seen_data,
        "recipients": _recipients,
        "processor": _processor,
        "third_countries": _third_countries,
        "safeguards": _safeguards,
        "retention": _retention,
        "adherence": _adherence,
        "adherence_reason": _adherence_reason,
        "security": _security,
        "vault": _vault,
        "basis": _basis,
        "condition": _condition,
        "schedule_1": _schedule_1,
        "legitimate_interests": _only_for("legitimate_interests", _said("objective")),
        "lia": _only_for("legitimate_interests", _reference),
        "consent_record": _only_for("consent", _reference),
        "rights": _rights,
        "location": _location,
        "dpia_required": _dpia_required,
        "dpia": _dpia,
        **{
            name: _said(name)
            for name in (
                "contact", "representative", "dpo", "joint_controllers", "function", "data_subjects", "data_origin",
                "automated_decisions", "breaches", "necessity",
            )
        },
    }
)  # fmt: skip
"""Every question a record asks, by name."""
