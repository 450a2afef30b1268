"""A source calibrated from the command line, and what a sync makes of it."""

import json
from pathlib import Path

from tests.journeys.penstock import Penstock

REFUSED = 2
QUESTIONS = {
    "How many days of annual leave does everybody have?": ["leave.md"],
    "May annual leave be carried over until June?": ["leave.md"],
    "Where do visitors park their cars?": ["parking.md"],
    "Who gives a permit for the warehouse gate?": ["parking.md"],
    "Is annual leave of twenty-six days?": ["leave.md"],
    "Do visitors park behind the warehouse?": ["parking.md"],
    "When does the canteen serve soup?": ["canteen.md"],
    "Is there porridge at eight in the morning?": ["canteen.md"],
} | {f"Which rocket number {number} flew to Saturn?": [] for number in range(16)}


def golden(folder: Path) -> Path:
    path = folder / "golden.jsonl"
    lines = ({"source": "notes", "query": query, "documents": names} for query, names in QUESTIONS.items())
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


def test_golden_questions_are_kept_and_asked_again_when_documents_come(penstock: Penstock, tmp_path: Path) -> None:
    done = penstock.run("calibrate", "notes")
    assert done.code == REFUSED
    assert "No golden questions of 'notes' are kept" in done.err
    first = json.loads(penstock.must("calibrate", "notes", golden(tmp_path), "--group", "staff", "--json").out)
    assert (first["labels"], first["gone"], first["missing_labels"]) == (24, 0, 26)
    assert penstock.status()["calibration"]["status"] == "provisional"
    (penstock.documents / "bicycles.md").write_text("# Bicycles\n\nBicycles stand in the yard behind the kiln.\n")
    (penstock.documents / "canteen.md").unlink()
    penstock.must("sync", "notes", "--confirm")
    standing = penstock.status()["calibration"]
    assert (standing["status"], standing["why"]) == ("provisional", [])
    assert standing["calibration"] != first["calibration"]
    again = json.loads(penstock.must("calibrate", "notes", "--json").out)
    assert (again["labels"], again["gone"]) == (24, 2)
    assert "staff" in again["population"]
    done = penstock.run("calibrate", "notes", "--group", "board")
    assert done.code == REFUSED
    assert "asked as they were before" in done.err
