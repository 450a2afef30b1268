"""Where data leave the regime's home, and on what ground (GDPR and UK GDPR Chapter V)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from policies import regions, residency, transfers
from policies.facts import Regime
from policies.manifest import Policy
from policies.manifest.clauses import Transfer


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """A region outside the regime's home, what happens there (`store`, `process`, `serve`, `system`), and the ground.

    `ground` says which law or paper the mechanism rests on, `checked_on` when somebody looked, `stale` that it does not
    count now.
    """

    region: str
    ways: tuple[str, ...]
    mechanism: str
    ground: str
    checked_on: date | None
    stale: bool


def exits(policy: Policy, now: datetime) -> tuple[Exit, ...]:
    """Every region that data may go to and that is not at home; none where the regime has no rule on it."""
    own = transfers.home(policy.regime)  # a transfer serves where no list names its end; the rest is listed
    if own is None:
        return ()
    clause = policy.residency
    listed = {
        "store": clause.store,
        "process": clause.process,
        "serve": (*clause.serve, *(transfer.to for transfer in clause.transfers)),
        "system": clause.system or clause.store,
    }
    names = dict.fromkeys(name for names in listed.values() for name in names)
    return tuple(
        _exit(policy, name, tuple(way for way in listed if name in listed[way]), now)
        for name in names
        if not regions.expand([name]) <= own
    )


def _exit(policy: Policy, name: str, ways: tuple[str, ...], now: datetime) -> Exit:
    regime = policy.regime
    outside = sorted(regions.expand([name]) - (transfers.home(regime) or frozenset()))
    transfer = _transfer(policy, outside, now)
    if transfer is None:
        laws = dict.fromkeys(law for country in outside for law in _adequacy(regime, country, now))
        mechanism, ground, checked_on = "adequacy", "; ".join(laws), None
    else:
        mechanism, ground, checked_on = transfer.mechanism, transfer.reference, transfer.checked_on
    return Exit(
        region=name,
        ways=ways,
        mechanism=mechanism,
        ground=ground,
        checked_on=checked_on,
        stale=not all(_is_open(policy, country, now) for country in outside),
    )


def _transfer(policy: Policy, outside: Iterable[str], now: datetime) -> Transfer | None:
    """The transfer that carries data to all these countries; None where the law lets them go without one.

    One that does not count now is named where nothing else leads there.
    """
    reaching = [one for one in policy.residency.transfers if regions.expand([one.to]).issuperset(outside)]
    lapsed = residency.lapsed(policy, now)
    holding = next((one for one in reaching if one not in lapsed), None)
    if holding is not None or all(transfers.is_free(policy.regime, country, now) for country in outside):
        return holding
    return next(iter(reaching), None)


def _is_open(policy: Policy, country: str, now: datetime) -> bool:
    return transfers.is_free(policy.regime, country, now) or residency.has_transfer(policy, country, now)


def _adequacy(regime: Regime, country: str, now: datetime) -> tuple[str, ...]:
    return tuple(
        row.law if row.until is None else f"{row.law}, until {row.until}"
        for row in transfers.findings(regime, country)
        if row.only is None and row.holds(now)
    )
