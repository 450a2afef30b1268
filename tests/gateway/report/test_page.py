"""The page and the picture: they load nothing, hide nothing, and name whom they speak of."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from lxml import etree, html

from gateway.confidence import Certificate, Point
from gateway.pagehead import policy
from gateway.report import Labels, Report, Standing, drift, measure, page, plain, svg
from gateway.report.chart import ticks
from gateway.report.words import MEANINGS
from policies.model import ConfidenceStatus
from tests.gateway.report.test_measures import CERTIFICATE, points

MADE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
POPULATION = "200 questions, as staff in gb, for support"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def report(status: ConfidenceStatus = ConfidenceStatus.CERTIFIED, *, population: str = POPULATION) -> Report:
    questions = points(200)
    measured = measure(
        questions, subject="notes", population=population, made=MADE, max_risk=0.1, threshold=0.5,
        certificate=CERTIFICATE, status=status,
    )  # fmt: skip
    return replace(
        measured,
        standing=Standing(status=status, meaning=MEANINGS[status], why=("A cause.",), missing=("Something.",)),
        labels=(Labels(origin="golden questions", answerable=120, unanswerable=80),),
        drift=drift([one.confidence for one in questions], [(0.9, "answer")] * 40, since=MADE),
        compared={"raw cosine": measured.measures.figures if measured.measures else {}},
    )


def test_the_page_loads_and_runs_nothing() -> None:
    shown = page(report())
    (style,) = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    assert b64encode(sha256(style.encode()).digest()).decode() in policy(style)
    assert policy(style) in shown
    assert not re.search(r"<(script|link|img|iframe|object|embed|form)|\s(src|href|style|on\w+)=|url\(|@import", shown)


def test_the_picture_is_whole_and_refers_to_nothing() -> None:
    drawn = svg(report(population=f"{HOSTILE} &amp; more"))
    assert etree.fromstring(drawn.encode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"<(script|image|use|foreignObject)|href|url\(|@import", drawn)


def test_what_a_name_holds_is_text() -> None:
    shown = page(replace(report(population=HOSTILE), subject=HOSTILE))
    assert "<script" not in shown
    assert "<img" not in shown


def test_every_picture_has_a_name_a_description_and_a_table() -> None:
    tree: Any = html.fromstring(page(report()))
    drawn = tree.xpath("//svg")
    assert len(drawn) == 5
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    for one in drawn:
        named = one.get("aria-labelledby").split()
        assert all(tree.get_element_by_id(name).text_content().strip() for name in named)
        assert one.xpath("ancestor::section//table//td")
    assert all(section.get("aria-labelledby") in ids for section in tree.xpath("//section"))


def test_the_guarantee_names_its_population_and_what_was_counted() -> None:
    told = report().guarantee or ""
    assert told.startswith(f"Of questions drawn like these ({POPULATION}), at most 10 % ")
    assert told.endswith("kept apart from the fit: 20 reached it and 3 of those came without one.")
    assert POPULATION in page(report()).replace("\N{NO-BREAK SPACE}", " ")
    assert POPULATION in svg(report())


def test_a_guarantee_of_what_is_no_longer_searched_is_taken_back() -> None:
    stale = report(ConfidenceStatus.STALE)
    assert (stale.guarantee or "").startswith("It does not hold now")
    assert "Was certified to be answered" in page(stale)


@pytest.mark.parametrize("certificate", [None, CERTIFICATE])
def test_a_measurement_of_questions_has_a_page_without_any_source(certificate: Certificate | None) -> None:
    one = Point(confidence=0.7, sufficient=True, kept=False)
    told = measure((one,), subject="set", population="1 question", made=MADE, max_risk=0.05, certificate=certificate)
    assert ("Guarantee." in page(told)) is (certificate is not None)
    assert "1 question" in svg(told)


def test_no_number_of_a_drawing_is_lost() -> None:
    drawn = svg(report()) + page(report())
    assert "nan" not in drawn
    assert "inf " not in drawn


def test_the_json_tells_the_same() -> None:
    told = json.loads(json.dumps(plain(report()), allow_nan=False))
    assert told["population"] == POPULATION
    assert told["measures"]["certified"]["risk"] == 0.15
    assert told["standing"]["status"] == "certified"
    assert told["drift"]["differs"] is True
    assert set(told["measures"]["curve"][0]) >= {"threshold", "coverage", "risk", "low", "high"}


@pytest.mark.parametrize(("start", "end"), [(0, 0.03), (0, 1), (-1, 1), (-70, 70), (0, 0.46), (-12_345, 12_345)])
def test_an_axis_has_a_few_round_numbers(start: float, end: float) -> None:
    found = ticks(start, end)
    assert 3 <= len(found) <= 7
    assert start <= found[0]
    assert found[-1] <= end + 1e-9
    assert len({round(after - before, 9) for before, after in pairwise(found)}) == 1
