"""What must agree between the clauses of a manifest: bases and regimes, regions and transfers, rules that can match."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial

from policies import facts, globs, regions, transfers
from policies.facts import Ground, Regime
from policies.manifest import papers
from policies.manifest.clauses import AccessRules, Policy, Residency, Rule
from policies.manifest.problem import Problem
from policies.yamldoc import Place


def problems(state: str, policy: Policy) -> tuple[Problem, ...]:
    """Every disagreement between clauses that are each valid by themselves, in the order of the manifest."""
    return tuple(
        Problem(place=("policy", *found.place), message=found.message, mend=found.mend)
        for check in (_grounds, _residency, _access, _redaction, partial(papers.problems, state))
        for found in check(policy)
    )


def _grounds(policy: Policy) -> Iterator[Problem]:
    basis = policy.lawful_basis.basis
    yield from _ground(("lawful_basis", "basis"), basis, facts.grounds().lawful_basis, policy.regime)
    if policy.special_categories is not None:
        condition, rows = policy.special_categories.condition, facts.grounds().special_categories
        yield from _ground(("special_categories", "condition"), condition, rows, policy.regime)


def _ground(place: Place, name: str, rows: Iterable[Ground], regime: Regime) -> Iterator[Problem]:
    known = sorted(row.name for row in rows if regime in row.since)
    if name not in known:
        likely = get_close_matches(name, known, n=1)
        mend = f"Did you mean {likely[0]!r}?" if likely else f"Write one of: {', '.join(known)}."
        yield Problem(place=place, message=f"{name!r} is not known in the regime {regime}.", mend=mend)


def _residency(policy: Policy) -> Iterator[Problem]:
    clause, regime = policy.residency, policy.regime
    own = transfers.home(regime)
    if own is None:
        if clause.transfers:
            yield Problem(
                place=("residency", "transfers"),
                message=f"The regime {regime} has no rule on transfers, so these would do nothing.",
                mend="Remove them and list the countries under store, process and serve.",
            )
        return
    listed = {"store": clause.store, "process": clause.process, "serve": clause.serve, "system": clause.system}
    carried = regions.expand(transfer.to for transfer in clause.transfers)
    for key, names in listed.items():
        open_ends = {country for country in regions.expand(names) if not transfers.is_free(regime, country, None)}
        if open_ends - carried:
            first = min(open_ends - carried)
            yield Problem(
                place=("residency", key),
                message=f"Data may not go to {first!r} under {regime} without a transfer mechanism.",
                mend=f"Remove it, or add: transfers: [{{to: {first}, mechanism: {_usual(regime)}, reference: …, "
                "checked_on: …}].",
            )
    yield from _transfers(clause, regime, own)


def _usual(regime: Regime) -> str:
    return "scc" if regime == "gdpr" else "idta"


def _transfers(clause: Residency, regime: Regime, own: frozenset[str]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for number, transfer in enumerate(clause.transfers):
        place = ("residency", "transfers", number)
        countries = sorted(regions.expand([transfer.to]))
        lost = [country for country in countries if not transfers.carries(transfer.mechanism, regime, country, None)]
        if (transfer.to, transfer.mechanism) in seen:
            yield Problem(place=place, message="The transfer stands in the list twice.", mend="Keep one of the two.")
        elif not own.isdisjoint(countries):
            yield Problem(
                place=(*place, "to"),
                message=f"{transfer.to!r} is at home under {regime}, so this is no transfer.",
                mend="Remove the transfer; store, process and serve are enough.",
            )
        elif lost:
            names = {row.name for row in transfers.mechanisms(regime, lost[0])}
            if transfers.findings(regime, lost[0]):
                names.add("adequacy")
            yield Problem(
                place=(*place, "mechanism"),
                message=f"{transfer.mechanism!r} does not carry data to {lost[0]!r} under {regime}.",
                mend=f"Write one of: {', '.join(sorted(names))}.",
            )
        seen.add((transfer.to, transfer.mechanism))


def _access(policy: Policy) -> Iterator[Problem]:
    access = policy.access
    yield from _useless(("access", "allow"), access.allow, access.deny)
    if access.documents is None:
        return
    place = ("access", "documents")
    if access.documents.origin == "connector":
        if access.documents.rules:
            yield Problem(
                place=(*place, "rules"),
                message="Rules do nothing where the connector's permissions are used.",
                mend="Remove the rules, or write from: rules.",
            )
        if access.max_age is None:
            yield Problem(
                place=("access",),
                message="Mirrored permissions need an age after which they admit nobody.",
                mend="Add it, for example: max_age: PT15M.",
            )
    elif not access.documents.rules:
        yield Problem(
            place=place, message="There are no rules.", mend="Add one, or leave documents out: the list above counts."
        )
    yield from _rules(access, access.documents.rules)


def _rules(access: AccessRules, rules: Sequence[Rule]) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        place = ("access", "documents", "rules", number)
        before = next((rank for rank in range(number) if globs.covers(rules[rank].match, rule.match)), None)
        if before is not None:
            yield Problem(
                place=(*place, "match"),
                message=f"The rule can never match: rule {before + 1} takes everything it names.",
                mend="Put the narrower rule first, or remove this one.",
            )
        yield from _useless((*place, "allow"), rule.allow, (*rule.deny, *access.deny))


def _useless(place: Place, allow: Iterable[str], deny: Iterable[str]) -> Iterator[Problem]:
    both = sorted(set(allow) & set(deny))
    if both:
        yield Problem(
            place=place,
            message=f"{both[0]!r} is allowed and denied; deny wins, so allowing it does nothing.",
            mend="Remove it from one of the two lists.",
        )


def _redaction(policy: Policy) -> Iterator[Problem]:
    clause = policy.redaction
    if clause.profile == "none" and clause.options:
        yield Problem(
            place=("redaction", min(clause.options)),
            message="Profile 'none' lets everything through, so this would do nothing.",
            mend="Remove it, or choose the profile strict, balanced or identifiers.",
        )
    both = sorted(set(clause.also) & set(clause.keep))
    if both:
        yield Problem(
            place=("redaction", "keep"),
            message=f"{both[0]!r} is to be redacted and to be kept.",
            mend="Remove it from also or from keep.",
        )
    if clause.profile != "none":
        if not clause.languages:
            yield Problem(
                place=("redaction",),
                message="Redaction needs to know the documents' languages.",
                mend="Add them, for example: languages: [en].",
            )
    elif clause.reason is None:
        yield Problem(
            place=("redaction",),
            message="Profile 'none' lets everything through and needs a reason.",
            mend="Add it, for example: reason: Published product manuals; they hold no personal data.",
        )
    elif policy.special_categories is not None:
        yield Problem(
            place=("redaction", "profile"),
            message="Profile 'none' says that there is no personal data, special_categories says that there is.",
            mend="Choose the profile strict, balanced or identifiers.",
        )
