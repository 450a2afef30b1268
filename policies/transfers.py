"""What the law says about sending personal data out of a regime's home (GDPR and UK GDPR Chapter V)."""

from datetime import datetime

from policies import facts, regions
from policies.facts import Adequacy, Mechanism, Regime


def home(regime: Regime) -> frozenset[str] | None:
    """The countries where the regime's own law applies, or None where it has no rule on transfers."""
    own = facts.regions().home.get(regime)
    return None if own is None else regions.expand(own)


def findings(regime: Regime, country: str) -> tuple[Adequacy, ...]:
    """Every finding of adequacy for the country, in force or not."""
    rows = facts.transfers().adequacy
    return tuple(row for row in rows if row.regime == regime and regions.contains(row.countries, country))


def mechanisms(regime: Regime, country: str) -> tuple[Mechanism, ...]:
    """Every other mechanism that may carry data to the country, in force or not."""
    rows = facts.transfers().mechanisms
    return tuple(row for row in rows if row.regime == regime and (not row.countries or country in row.countries))


def is_free(regime: Regime, country: str, now: datetime | None) -> bool:
    """Whether data may go there with no transfer in the manifest: at home, or adequate without a condition.

    With `now` None, whether that was ever so.
    """
    own = home(regime)
    if own is None or country in own:
        return True
    return any(row.only is None and (now is None or row.holds(now)) for row in findings(regime, country))


def carries(mechanism: str, regime: Regime, country: str, now: datetime | None) -> bool:
    """Whether the mechanism may carry data to the country at `now`, or with None at any time.

    Adequacy carries on any finding, for a manifest that names it answers for the finding's condition.
    """
    if mechanism == "adequacy":
        return any(now is None or row.holds(now) for row in findings(regime, country))
    rows = (row for row in mechanisms(regime, country) if row.name == mechanism)
    return any(now is None or row.since <= now.date() for row in rows)
