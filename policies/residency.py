"""Where a source's data may lie, be processed and be served: the manifest's regions, its transfers, and the law.

A country on one of the lists still needs the law's leave: it is at home under the source's regime, adequate at that
time, or reached by a transfer whose mechanism is in force and was checked within the last year.
"""

from datetime import datetime, timedelta

from policies import regions, transfers
from policies.facts import Regime
from policies.manifest import Policy
from policies.manifest.clauses import Transfer

CHECK_HOLDS = timedelta(days=365)
"""Chosen: certifications under the Data Privacy Framework run for a year, so that an older check proves nothing."""


def may_store(policy: Policy, country: str, now: datetime) -> bool:
    """Whether data may lie at rest in the country: it is on the list and the law allows it."""
    return _listed(policy, policy.residency.store, country, now)


def may_process(policy: Policy, country: str, now: datetime) -> bool:
    """Whether data may be in memory in the country: it is on the list and the law allows it."""
    return _listed(policy, policy.residency.process, country, now)


def may_serve(policy: Policy, country: str, now: datetime) -> bool:
    """Whether a caller in the country may be answered: on the list with the law's leave, or by a valid transfer."""
    return _listed(policy, policy.residency.serve, country, now) or has_transfer(policy, country, now)


def may_log(policy: Policy, country: str, now: datetime) -> bool:
    """Whether logs and accounts may go to the country: on the list `system`, else `store`, and the law allows it."""
    return _listed(policy, policy.residency.system or policy.residency.store, country, now)


def has_transfer(policy: Policy, country: str, now: datetime) -> bool:
    """Whether one of the manifest's transfers carries data to the country at `now`."""
    return any(_holds(transfer, policy.regime, country, now) for transfer in policy.residency.transfers)


def lapsed(policy: Policy, now: datetime) -> tuple[Transfer, ...]:
    """The transfers of the manifest that carry nothing at `now`: not in force, or checked more than a year ago."""
    return tuple(
        transfer
        for transfer in policy.residency.transfers
        if not all(_holds(transfer, policy.regime, country, now) for country in regions.expand([transfer.to]))
    )


def _listed(policy: Policy, listed: tuple[str, ...], country: str, now: datetime) -> bool:
    lawful = transfers.is_free(policy.regime, country, now) or has_transfer(policy, country, now)
    return lawful and regions.contains(listed, country)


def _holds(transfer: Transfer, regime: Regime, country: str, now: datetime) -> bool:
    age = now.date() - transfer.checked_on
    return (
        regions.contains([transfer.to], country)
        and timedelta() <= age <= CHECK_HOLDS
        and transfers.carries(transfer.mechanism, regime, country, now)
    )
