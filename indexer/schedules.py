"""What the schedules of sources ask for at an instant."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from croniter import croniter

from indexer.joblog import JobKind
from policies.manifest import Source
from policies.model import SourceName


def due(
    sources: Iterable[Source], latest: Mapping[tuple[JobKind, SourceName], datetime], now: datetime
) -> Iterator[tuple[JobKind, SourceName, datetime]]:
    """What is to be done, and the time of the schedule that says so.

    `latest` is when each was last asked for. Of times that passed unused only the last counts; what was never done is
    due at once.
    """
    for source in sources:
        for kind, expression in _schedules(source):
            # A time is due at its very second, which croniter takes to lie ahead.
            tick: datetime = croniter(expression, now + timedelta(seconds=1)).get_prev(datetime)
            asked = latest.get((kind, source.name))
            if asked is None or not tick <= asked <= now:  # asked for in the future: the clock was ahead then
                yield kind, source.name, tick


def _schedules(source: Source) -> Iterator[tuple[JobKind, str]]:
    if source.schedule.purge:
        # Whatever the state: a period passes for what is stored (GDPR Art. 5(1)(e)), be it shown or not.
        yield JobKind.PURGE, source.schedule.purge
    if source.state == "active":
        if source.schedule.sync:
            yield JobKind.SYNC, source.schedule.sync
        if source.schedule.permissions and source.mirrors_access:
            yield JobKind.PERMISSIONS, source.schedule.permissions
