"""When a document is due for deletion: an ISO 8601 period of calendar units, counted from an anchor date."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from policies.errors import RefusedError

MAX_YEARS = 100
"""Chosen: a period beyond a century is a typing error, and would overflow the calendar."""
_PERIOD = re.compile(
    r"P(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,4})M)?(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Period:
    """A span of calendar time. Months are counted on the calendar, days are 24 hours in UTC."""

    months: int
    days: int

    @classmethod
    def parse(cls, text: str) -> "Period":
        """The period an ISO 8601 duration such as `P2Y`, `P18M` or `P30D` stands for.

        Raises:
            RefusedError: not such a duration, zero, or over a hundred years (a retention that never ends is none).
        """
        found = _PERIOD.fullmatch(text)
        if found is None or text == "P":
            raise RefusedError(
                f"{text!r} is not a retention period.",
                mend="Write an ISO 8601 duration of years, months, weeks or days, such as P2Y, P18M or P30D.",
            )
        years, months, weeks, days = (int(found[unit] or 0) for unit in ("years", "months", "weeks", "days"))
        period = cls(months=years * 12 + months, days=weeks * 7 + days)
        if period.months == 0 and period.days == 0:
            raise RefusedError("A retention period of zero keeps nothing.", mend="Write at least one day, such as P1D.")
        if period.months + period.days / 30 > MAX_YEARS * 12:
            raise RefusedError(
                f"{text!r} is longer than {MAX_YEARS} years, which is no storage limitation (GDPR Art. 5(1)(e)).",
                mend="Write the period after which the documents are no longer needed.",
            )
        return period

    def __str__(self) -> str:
        """The period in ISO 8601, in its largest units."""
        years, months = divmod(self.months, 12)
        parts = (f"{years}Y" if years else "", f"{months}M" if months else "", f"{self.days}D" if self.days else "")
        return f"P{''.join(parts)}"


def due(anchor: datetime, period: Period) -> datetime:
    """The instant from which a document with this anchor must no longer be shown and must be deleted.

    The day of the month is kept. Where the month does not have it, the period ends with the month, as Regulation
    (EEC, Euratom) No 1182/71, Art. 3(2)(c), has it: 31 January plus one month is the end of February. Monotone: a
    later anchor is never due earlier. UTC, aware.

    Raises:
        ValueError: the anchor has no time zone.
    """
    if anchor.tzinfo is None:
        raise ValueError("A retention anchor needs a time zone.")
    anchor = anchor.astimezone(UTC)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + period.months, 12)
    if year > _NEVER.year:
        return _NEVER
    last_day = calendar.monthrange(year, month + 1)[1]
    try:
        if anchor.day > last_day:
            ends = datetime(year, month + 1, last_day, tzinfo=UTC) + timedelta(days=1)
        else:
            ends = anchor.replace(year=year, month=month + 1)
        return ends + timedelta(days=period.days)
    except OverflowError:
        return _NEVER


def passed(anchor: datetime, period: Period, now: datetime) -> bool:
    """Whether the retention of a document with this anchor has ended at `now`."""
    return due(anchor, period) <= now
