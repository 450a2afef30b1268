"""`penstock report`: what it tells of a source, and what stops it from being written."""

import json
from pathlib import Path

import pytest

from tests.journeys.penstock import Penstock
from tests.journeys.samples import DOCUMENTS

REFUSED = 2
SECRET = "zanzibar"
"""A word of every question that is asked, and of no page."""
ASKED = {
    "leave.md": ("days of annual leave", "carry days of leave over until June", "twenty-six days", "annual leave days"),
    "parking.md": ("visitors park cars", "permit at the gate", "behind the warehouse", "park a visitor's car"),
    "canteen.md": ("soup at noon", "porridge in the morning", "what the canteen serves", "canteen at seven"),
    "": ("pension fund", "dental insurance", "bicycle lease", "fire drill", "printer toner", "train tickets", "gym",
         "server passwords", "sick notes", "company cars", "bonus", "probation"),
}  # fmt: skip


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [
        json.dumps({"source": "notes", "query": f"{query} {SECRET}", "documents": [name] if name else []})
        for name, queries in ASKED.items()
        for query in queries
    ]
    file = tmp_path_factory.mktemp("golden") / "golden.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    return file


@pytest.fixture
def calibrated(penstock: Penstock, golden: Path) -> Penstock:
    penstock.must("calibrate", "notes", golden)
    return penstock


def test_a_calibrated_source_is_told_as_table_json_page_and_picture(calibrated: Penstock, tmp_path: Path) -> None:
    written, drawn = tmp_path / "notes.html", tmp_path / "notes.svg"
    shown = calibrated.must("report", "notes", "--html", written, "--svg", drawn)
    told = calibrated.must("report", "notes", "--json").json()
    assert told["standing"]["status"] == "provisional"
    assert "26 more labelled questions: 24 of 50." in told["standing"]["missing"]
    assert told["measures"]["questions"] == 24
    assert told["labels"][0] == {"origin": "golden questions", "answerable": 12, "unanswerable": 12}
    assert told["drift"]["requests"] == 0
    for text in (shown.out, written.read_text("utf-8")):
        assert told["population"] in " ".join(text.split())
        assert "No requests yet" in text
        assert "AUROC" in text
    texts = (shown.out, json.dumps(told), written.read_text("utf-8"), drawn.read_text("utf-8"))
    words = {SECRET, "porridge", "warehouse", *DOCUMENTS}
    assert not any(word in text.lower() for text in texts for word in words)


def test_a_report_takes_the_place_of_an_older_one_and_of_nothing_else(calibrated: Penstock, tmp_path: Path) -> None:
    written, other = tmp_path / "notes.html", tmp_path / "other.html"
    calibrated.must("report", "notes", "--html", written)
    calibrated.must("report", "notes", "--html", written)
    other.write_text("mine", "utf-8")
    done = calibrated.run("report", "notes", "--html", other)
    assert (done.code, done.out, other.read_text("utf-8")) == (REFUSED, "", "mine")
    assert "exists" in done.err
    done = calibrated.run("report", "notes", "--svg", written)
    assert done.code == REFUSED
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {"notes.html", "other.html"}


def test_a_source_without_calibration_says_what_to_do(settled: Penstock, tmp_path: Path) -> None:
    written = tmp_path / "notes.html"
    shown = settled.must("report", "notes", "--html", written)
    for text in (" ".join(shown.out.split()), written.read_text("utf-8")):
        assert "uncalibrated" in text
        assert "penstock calibrate notes GOLDEN.jsonl" in text
    assert settled.must("report", "notes", "--json").json()["measures"] is None


def test_what_cannot_be_reported_is_refused_with_a_mend(settled: Penstock, tmp_path: Path) -> None:
    unknown = settled.run("report", "ghosts", "--html", tmp_path / "ghosts.html")
    assert unknown.err == "error: No source 'ghosts' is registered. Register it with: penstock apply MANIFEST\n"
    nowhere = settled.run("report", "notes", "--html", tmp_path / "none" / "notes.html")
    assert "Name a file in a folder that you can write to." in nowhere.err
    assert (unknown.code, nowhere.code) == (REFUSED, REFUSED)
    assert not list(tmp_path.iterdir())
