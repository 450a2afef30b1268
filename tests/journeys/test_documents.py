"""Documents from their folder to an answer, and out again."""

import io
from pathlib import Path

import docx
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from tests.journeys.penstock import PURPOSE, Penstock, links
from tests.journeys.samples import CANTEEN, DOCUMENTS, LEAVE

OUTCOMES = ("listed", "indexed", "unchanged", "quarantined", "removed")
MAX_DOCUMENT_BYTES = 200_000  # as the manifest says


def synced(penstock: Penstock, *options: str) -> dict[str, int]:
    (report,) = penstock.must("sync", "notes", "--json", *options).json()
    return {outcome: report[outcome] for outcome in OUTCOMES}


def test_a_second_sync_changes_nothing(penstock: Penstock) -> None:
    penstock.must("sync", "notes")  # the copied files have change times of their own
    before = penstock.status()
    assert synced(penstock) == {"listed": 4, "indexed": 0, "unchanged": 4, "quarantined": 0, "removed": 0}
    after = penstock.status()
    assert after["last_sync"]["job"] != before["last_sync"]["job"]
    assert after | {"last_sync": None} == before | {"last_sync": None}


def test_a_document_that_its_origin_lost_is_no_longer_found(penstock: Penstock) -> None:
    key = penstock.key("staff")
    question = "When does the canteen serve soup?"
    assert "file:canteen.md" in links(penstock.answer(question, key))
    (penstock.documents / "canteen.md").unlink()
    penstock.write({}, max_deletes=0.5)
    penstock.must("apply", penstock.manifest, "--yes")
    assert synced(penstock)["removed"] == 1
    assert "file:canteen.md" not in links(penstock.answer(question, key))
    assert penstock.run("verify").code == 0


def test_a_sync_that_would_lose_too_much_stops_until_it_is_confirmed(penstock: Penstock) -> None:
    for name in ("canteen.md", "parking.md"):
        (penstock.documents / name).unlink()
    done = penstock.run("sync", "notes")
    assert done.code == 2
    assert "2 of 4 documents of 'notes' are gone" in done.err
    assert penstock.status()["indexed"] == 4
    assert synced(penstock, "--confirm")["removed"] == 2


def test_a_changed_document_is_found_by_what_it_says_now(penstock: Penstock) -> None:
    key = penstock.key("staff")
    (penstock.documents / "canteen.md").write_text(CANTEEN.replace("soup", "goulash"), "utf-8")
    assert synced(penstock) == {"listed": 4, "indexed": 1, "unchanged": 3, "quarantined": 0, "removed": 0}
    texts = [passage["text"] for passage in penstock.answer("When does the canteen serve goulash?", key)["passages"]]
    assert any("goulash at noon" in text for text in texts)
    assert not any("soup at noon" in text for text in texts)


def _encrypted_pdf() -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption("secret", ownerPassword="owner"))
    canvas.drawString(72, 720, "Nobody can read this.")
    canvas.save()
    return file.getvalue()


def _word() -> bytes:
    file, document = io.BytesIO(), docx.Document()
    document.add_paragraph("A paragraph of a document. " * 200)
    document.save(file)
    return file.getvalue()


def test_what_cannot_be_read_is_set_aside_with_a_reason_and_counted(penstock: Penstock) -> None:
    penstock.write(
        {
            "empty.md": b"",
            "encrypted.pdf": _encrypted_pdf(),
            "truncated.docx": _word()[:-400],
            "archive.docx": b"\x1f\x8b" + bytes(200),
            "large.md": LEAVE * (MAX_DOCUMENT_BYTES // len(LEAVE) + 1),
        }
    )
    (penstock.documents / "link.md").symlink_to("/etc/hostname")
    assert synced(penstock) == {"listed": 10, "indexed": 0, "unchanged": 4, "quarantined": 6, "removed": 0}
    standing = penstock.status()
    assert {document["origin_id"]: document["reason"] for document in standing["documents"]} == {
        "empty.md": "empty",
        "encrypted.pdf": "encrypted",
        "truncated.docx": "corrupt",
        "archive.docx": "wrong_format",
        "large.md": "too_large",
        "link.md": "symbolic_link",
    }
    assert all(document["mend"] for document in standing["documents"])
    assert sum(standing["reasons"].values()) == standing["quarantined"] == 6
    assert standing["indexed"] == 4
    (penstock.documents / "empty.md").write_text("# Bicycles\n\nBicycles stand in the shed by the gate.\n", "utf-8")
    assert synced(penstock) == {"listed": 10, "indexed": 1, "unchanged": 4, "quarantined": 5, "removed": 0}
    assert penstock.run("verify").code == 0


def test_a_file_name_cannot_steer_the_terminal(penstock: Penstock) -> None:
    penstock.write({"\x1b[2Jgone.md": b""})
    penstock.must("sync", "notes")
    shown = penstock.must("status", "notes", "--documents").out
    assert "\\x1b[2Jgone.md" in shown
    assert "\x1b" not in shown


def test_new_readers_of_a_document_are_told_by_the_plan_and_get_it_by_the_apply(penstock: Penstock) -> None:
    board, staff = penstock.key("board"), penstock.key("staff")
    question = "What did the board agree to buy?"
    assert links(penstock.answer(question, board)) == ["file:board/minutes.md"]
    assert "file:board/minutes.md" not in links(penstock.answer(question, staff))
    text = penstock.manifest.read_text("utf-8")
    penstock.manifest.write_text(text.replace("[group:board]", "[group:staff]"), "utf-8")
    (planned,) = penstock.must("plan", penstock.manifest, "--json").json()
    assert (planned["gaining"], planned["losing"]) == ({"group:staff": 1}, {"group:board": 1})
    assert (planned["rebuild"], planned["reingest"], planned["due"]) == (True, False, 0)
    penstock.must("apply", penstock.manifest, "--yes")
    assert links(penstock.answer(question, board)) == []
    assert "file:board/minutes.md" in links(penstock.answer(question, staff))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_nothing_of_a_document_lies_readable_in_the_home(settled: Penstock, name: str) -> None:
    sentence = DOCUMENTS[name].strip().splitlines()[-1].encode()[:40]
    searched = [path for path in settled.home.rglob("*") if path.is_file()]
    assert len(searched) > 5
    assert [path for path in searched if sentence in path.read_bytes()] == []


def test_the_query_of_an_operator_leaves_a_record_without_its_text(penstock: Penstock) -> None:
    key = penstock.key("staff")
    penstock.answer("Where do visitors park their zeppelins?", key)
    (record,) = penstock.must("audit", "show", "--action", "retrieved", "--limit", "1", "--json").json()
    assert record["actor"] == "caller:ann"
    assert PURPOSE in record["detail"]
    files = [Path(path) for path in penstock.home.rglob("*") if path.is_file()]
    assert not any(b"zeppelin" in path.read_bytes() for path in files)
