"""The pictures of a report: what a reader should see in each stands in its description."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from gateway.report.chart import Frame, Picture, diamond, dot, key, line, path, rect, text, ticks
from gateway.report.drift import Drift
from gateway.report.measures import Bar, Bin, Measures, Served
from gateway.report.words import asked, percent, percents

_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_GAP = 1.5


def reliability(bins: Sequence[Bin]) -> Picture:
    """Confidence against outcome."""
    frame = Frame()
    outside = sum(not one.within for one in bins)
    bands = "".join(
        line("c-band", frame.x(one.confidence), frame.y(one.low) + 1, frame.x(one.confidence), frame.y(one.high) - 1)
        for one in bins
    )
    ideal = path("c-ideal", ((frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))))
    marks = [(one.within, frame.x(one.confidence), frame.y(one.sufficient)) for one in bins]
    link = path("c-link", [(x, y) for _, x, y in marks])
    dots = "".join(dot("c-dot", x, y) if within else diamond("c-far", x, y) for within, x, y in marks)
    left, top = frame.x(0.03), frame.y(0.96)
    legend = key(left, top, dot("c-dot", left, top), "a bin, as a perfect model may show it")
    legend += key(left, top + 18, diamond("c-far", left, top + 18), "a bin, further off")
    legend += key(left, top + 36, line("c-band", left - 5, top + 36, left + 5, top + 36), "a perfect model, 95 %")
    axes = frame.axes(_SHARES, _SHARES, x_name="confidence", y_name="answer was there", share=True)
    return Picture(
        title="Reliability",
        about=f"{len(bins)} bins of equal mass: how often the answer was there against the mean confidence. "
        f"{outside} of them lie outside the band in which a perfect model's bin lies in 95 % of cases.",
        body=axes + bands + ideal + link + dots + legend,
    )


def risk(found: Measures, max_risk: float) -> Picture:
    """What is risked by serving more."""
    steady = [one for one in found.curve if one.coverage >= 0.1] or list(found.curve)  # noqa: PLR2004 - fewer jump
    shown = [found.certified.high] if found.certified else []
    top = min(1.0, 1.35 * max([max_risk * 1.3, *shown, *(one.risk for one in steady)]))
    frame = Frame(y_end=top)
    upper = [(frame.x(one.coverage), frame.y(one.high)) for one in found.curve]
    lower = [(frame.x(one.coverage), frame.y(one.low)) for one in reversed(found.curve)]
    curve = path("c-line", [(frame.x(one.coverage), frame.y(one.risk)) for one in found.curve])
    axes = frame.axes(_SHARES, ticks(0, top), x_name="coverage: questions served", y_name="answer missing", share=True)
    limit = line("c-limit", frame.x(0), frame.y(max_risk), frame.x(1), frame.y(max_risk))
    limit += text(frame.x(1) - 2, frame.y(max_risk) - 6, f"allowed {asked(max_risk)}", "c-name", anchor="end")
    told = "No threshold is certified."
    if found.certified:
        told = (
            f"The certified threshold {found.certified.threshold:.3f} serves {percent(found.certified.coverage)} at a "
            f"risk of {percent(found.certified.risk)}, interval "
            f"{percents(found.certified.low, found.certified.high)}."
        )
    return Picture(
        title="Risk and coverage",
        about="The share of served questions that lack their answer against the share of questions served, from the "
        f"most confident on, with its interval at each threshold, 95 %. {told}",
        body=axes + path("c-cloud", [*upper, *lower], closed=True) + curve + limit + _marks(frame, found),
    )


def _marks(frame: Frame, found: Measures) -> str:
    """What each threshold does, with a line of legend in the corner where no curve begins."""
    drawn, left, top = "", frame.x(0.16), frame.y(frame.y_end) + 6
    if found.caution:
        drawn += diamond("c-soft", frame.x(found.caution.coverage), frame.y(found.caution.risk))
        drawn += key(left, top, diamond("c-soft", left, top), f"caution, from {found.caution.threshold:.2f}")
        top += 18
    if found.certified:
        drawn += _certified(frame, found.certified)
        drawn += key(left, top, dot("c-point", left, top), f"answer, from {found.certified.threshold:.2f}: certified")
        top += 18
    return drawn + key(left, top, rect("c-cloud", left - 5, top - 5, 10, 10), "risk, with its interval, 95 %")


def _certified(frame: Frame, found: Served) -> str:
    x, low, high = frame.x(found.coverage), frame.y(found.low), frame.y(found.high)
    ends = line("c-error", x - 5, low, x + 5, low) + line("c-error", x - 5, high, x + 5, high)
    return line("c-error", x, low, x, high) + ends + dot("c-point", x, frame.y(found.risk), 6)


def scores(found: Measures) -> Picture:
    """Which confidences questions with and without their answer have."""
    highest = max(1, *(max(bar.sufficient, bar.insufficient) for bar in found.bars))
    frame = Frame(y_start=-1.3 * highest, y_end=1.3 * highest)
    bars = "".join(_bar(frame, bar) for bar in found.bars)
    up = ticks(-highest, highest, whole=True)
    axes = frame.axes(_SHARES, up, x_name="confidence", y_name="questions: answer there ↑", share=False)
    zero = line("c-axis", frame.x(0), frame.y(0), frame.x(1), frame.y(0))
    limits = ""
    for row, (one, name) in enumerate(((found.caution, "caution"), (found.certified, "answer"))):
        limits += frame.limit(one.threshold, f"{name} from {one.threshold:.2f}", row=row, low=-highest) if one else ""
    names = text(frame.x(1) - 2, frame.y(frame.y_start) - 8, "answer missing ↓", anchor="end")
    return Picture(
        title="Confidence of both kinds",
        about=f"How many of {found.sufficient:,} questions whose passages held the answer (upwards), and of "
        f"{found.questions - found.sufficient:,} whose did not (downwards), have each confidence.",
        body=axes + bars + zero + limits + names,
    )


def _bar(frame: Frame, bar: Bar) -> str:
    left, width = frame.x(bar.start) + _GAP / 2, frame.x(bar.end) - frame.x(bar.start) - _GAP
    zero = frame.y(0)
    over = rect("c-held", left, frame.y(bar.sufficient), width, round(zero - frame.y(bar.sufficient), 1))
    return over + rect("c-lacked", left, zero, width, round(frame.y(-bar.insufficient) - zero, 1))


def drifted(found: Drift) -> Picture:
    """Confidences served beside those of the calibration."""
    highest = max(0.05, *(max(one.calibration, one.served) for one in found.tenths))
    frame = Frame(y_end=1.25 * highest)
    zero = frame.y(0)
    bars = "".join(
        rect("c-then", frame.x(one.start) + _GAP, frame.y(one.calibration),
             frame.x(one.end) - frame.x(one.start) - 2 * _GAP, round(zero - frame.y(one.calibration), 1))
        for one in found.tenths
    )  # fmt: skip
    steps = [(frame.x(edge), frame.y(one.served)) for one in found.tenths for edge in (one.start, one.end)]
    axes = frame.axes(_SHARES, ticks(0, 1.25 * highest), x_name="confidence", y_name="share", share=True)
    left, top = frame.x(0.03), frame.y(1.25 * highest) + 8
    legend = key(left, top, rect("c-then", left - 5, top - 5, 10, 10), "labelled questions")
    legend += key(left + 150, top, line("c-line", left + 143, top, left + 155, top), "requests since")
    return Picture(
        title="Since the calibration",
        about="The share of the labelled questions (bars) and of the requests served since (line) in each tenth of "
        "the confidence.",
        body=axes + bars + path("c-line", steps) + legend,
    )


def labelled(rows: Sequence[tuple[str, int, int]]) -> Picture:
    """How many labels of which origin, as (origin, answerable, not answerable)."""
    highest = max(1, *(answerable + without for _, answerable, without in rows))
    frame, height = Frame(x_end=highest), 34
    drawn = ""
    for number, (origin, answerable, without) in enumerate(rows):
        top = 66 + 88 * number
        cuts = [frame.x(0), frame.x(answerable), frame.x(answerable + without)]
        (start, middle), (_, end) = pairwise(cuts)
        drawn += text(start, top - 9, origin, "c-name")
        drawn += rect("c-held", start, top, middle - start, height) if answerable else ""
        drawn += rect("c-lacked", middle, top, end - middle, height) if without else ""
        drawn += text(start, top + height + 17, f"{answerable:,} answerable, {without:,} not")
    left = frame.x(0) + 5
    legend = key(left, 24, rect("c-held", left - 5, 19, 10, 10), "answerable")
    legend += key(left + 120, 24, rect("c-lacked", left + 115, 19, 10, 10), "not answerable")
    told = "; ".join(f"{origin}: {answerable} answerable, {without} not" for origin, answerable, without in rows)
    return Picture(title="Labels", about=f"Labelled questions. {told}.", body=drawn + legend)
