from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import RefusedError
from policies.retention import MAX_YEARS, Period, due, passed

_PERIODS = st.builds(
    Period, months=st.integers(min_value=0, max_value=MAX_YEARS * 12), days=st.integers(min_value=0, max_value=40_000)
)
_TIMES = st.datetimes(timezones=st.just(UTC))


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, 30, tzinfo=UTC)


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [("P2Y", 24, 0), ("P18M", 18, 0), ("P30D", 0, 30), ("P2W", 0, 14), ("P1Y2M3W4D", 14, 25), ("P100Y", 1200, 0)],
)
def test_a_period_is_calendar_months_and_days(text: str, months: int, days: int) -> None:
    assert Period.parse(text) == Period(months=months, days=days)


@given(period=_PERIODS.filter(lambda period: 0 < period.months + period.days / 30 <= MAX_YEARS * 12))
def test_a_period_is_written_as_it_is_read(period: Period) -> None:
    assert Period.parse(str(period)) == period


def test_a_period_is_written_in_its_largest_units() -> None:
    assert [str(Period.parse(text)) for text in ("P24M", "P18M", "P2W", "P1Y2M3D")] == [
        "P2Y",
        "P1Y6M",
        "P14D",
        "P1Y2M3D",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "P", "2Y", "P-1Y", "P1.5Y", "PT5M", "P1YT5M", "p2y", "P2Y ", "P0D", "P0Y", "P101Y", "P99999D", "forever"],
)
def test_what_is_no_storage_limit_is_refused_with_a_mend(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        Period.parse(text)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("anchor", "period", "expected"),
    [
        (_day(2024, 2, 29), "P1Y", _midnight(2025, 3, 1)),
        (_day(2024, 2, 29), "P4Y", _day(2028, 2, 29)),
        (_day(2026, 1, 29), "P1M", _midnight(2026, 3, 1)),
        (_day(2026, 1, 31), "P1M", _midnight(2026, 3, 1)),
        (_day(2028, 1, 29), "P1M", _day(2028, 2, 29)),
        (_day(2028, 1, 31), "P1M", _midnight(2028, 3, 1)),
        (_day(2026, 3, 31), "P1M", _midnight(2026, 5, 1)),
        (_day(2026, 11, 30), "P3M", _midnight(2027, 3, 1)),
        (_day(2026, 12, 31), "P1M", _day(2027, 1, 31)),
        (_day(2026, 12, 31), "P1D", _day(2027, 1, 1)),
        (_day(2026, 1, 31), "P1M1D", _midnight(2026, 3, 2)),
        (_day(2026, 5, 5), "P12M", _day(2027, 5, 5)),
    ],
)
def test_the_day_of_the_month_is_kept_or_the_month_ends_first(
    anchor: datetime, period: str, expected: datetime
) -> None:
    assert due(anchor, Period.parse(period)) == expected


def test_the_count_starts_from_the_day_in_utc() -> None:
    anchor = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))  # still 31 December in UTC
    assert due(anchor, Period.parse("P2M")) == _midnight(2026, 3, 1)
    assert due(anchor, Period.parse("P1M")) == datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


def test_where_a_month_has_no_such_day_a_later_hour_of_an_earlier_day_is_not_due_later() -> None:
    month = Period.parse("P1M")
    anchors = [datetime(2026, 1, 30, 12, tzinfo=UTC), datetime(2026, 1, 31, 10, tzinfo=UTC)]
    assert [due(anchor, month) for anchor in anchors] == [_midnight(2026, 3, 1)] * 2
    assert due(datetime(2026, 1, 28, 23, tzinfo=UTC), month) == datetime(2026, 2, 28, 23, tzinfo=UTC)


def test_an_anchor_without_a_time_zone_is_no_instant() -> None:
    naive = _day(2026, 1, 1).replace(tzinfo=None)
    for counts in (due, lambda anchor, period: passed(anchor, period, _day(2027, 1, 1))):
        with pytest.raises(ValueError, match="time zone"):
            counts(naive, Period.parse("P1M"))


def test_retention_ends_at_the_instant_and_not_before() -> None:
    anchor, period = _day(2024, 11, 21), Period.parse("P2Y")
    end = _day(2026, 11, 21)
    assert not passed(anchor, period, end - timedelta(microseconds=1))
    assert passed(anchor, period, end)


def test_the_end_of_the_calendar_is_the_latest_due_date() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert due(_day(9999, 12, 1), Period.parse("P1Y")) == end
    assert due(_day(9999, 12, 31), Period.parse("P1D")) == end


@given(anchors=st.tuples(_TIMES, _TIMES), period=_PERIODS)
def test_a_later_anchor_is_never_due_earlier(anchors: tuple[datetime, datetime], period: Period) -> None:
    first, second = sorted(anchors)
    assert due(first, period) <= due(second, period)


@given(
    anchors=st.tuples(*[st.datetimes(datetime(2023, 12, 25), datetime(2024, 5, 5), timezones=st.just(UTC))] * 2),  # noqa: DTZ001
    months=st.integers(min_value=1, max_value=60),
)
def test_a_later_anchor_is_never_due_earlier_at_the_ends_of_months(
    anchors: tuple[datetime, datetime], months: int
) -> None:
    first, second = sorted(anchors)
    period = Period(months=months, days=0)
    assert due(first, period) <= due(second, period)


@given(anchor=_TIMES, period=_PERIODS)
def test_nothing_is_due_before_its_anchor(anchor: datetime, period: Period) -> None:
    assert due(anchor, period) >= anchor


@given(anchor=_TIMES, period=_PERIODS, nows=st.tuples(_TIMES, _TIMES))
def test_what_has_passed_stays_passed(anchor: datetime, period: Period, nows: tuple[datetime, datetime]) -> None:
    earlier, later = sorted(nows)
    assert passed(anchor, period, later) or not passed(anchor, period, earlier)


@given(anchor=_TIMES, years=st.integers(min_value=1, max_value=MAX_YEARS))
def test_a_year_is_twelve_months(anchor: datetime, years: int) -> None:
    assert due(anchor, Period.parse(f"P{years}Y")) == due(anchor, Period.parse(f"P{years * 12}M"))
