"""The command that measures a set, over results that were kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.confidence import FEATURES
from policies.errors import RefusedError
from tests.evidence.confidence import asking, keeping
from tests.evidence.confidence.__main__ import main
from tests.evidence.confidence.asking import Table

QUESTIONS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with too few questions without an answer, and a kept table of its hold-out."""
    folder = tmp_path / "a set"
    folder.mkdir()
    numbers = range(QUESTIONS)
    lines = [json.dumps({"id": f"q{number}", "text": f"What is {number}?"}) for number in numbers]
    (folder / "queries.jsonl").write_text("\n".join([*lines, '{"id": "x", "text": "Nobody knows?"}']))
    documents = [json.dumps({"id": f"d{number}", "text": f"This is the text {number}."}) for number in numbers]
    (folder / "corpus.jsonl").write_text("\n".join(documents))
    (folder / "qrels.tsv").write_text("".join(f"q{number}\td{number}\t1\n" for number in numbers))
    bound = keeping.bound_to(folder, holdout=True, questions=3000, languages="en", reader="")
    about = {"bound": bound, "quarantined": {"documents": 7, "questions": 3}}
    keeping.keep(table(), tmp_path / "kept", about)
    return folder


def table() -> Table:
    sufficient = np.arange(QUESTIONS) % 3 > 0
    features = np.random.default_rng(0).normal(np.where(sufficient, 0.6, 0.4)[:, None], 0.1, (QUESTIONS, len(FEATURES)))
    return Table(
        features=features,
        sufficient=sufficient,
        kinds=np.where(sufficient, "answerable", "deleted"),
        groups=np.arange(QUESTIONS),
    )


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["confidence", *map(str, arguments)])
    return main()


def test_what_the_figures_are_of_is_printed_and_in_the_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "--table", folder.parent / "kept", "--labels", 20) in {0, 1}
    printed = capsys.readouterr().out
    assert "as with --holdout" in printed
    assert "Questions left out: 1, for they have neither" in printed
    assert "Documents quarantined: 7. Questions that lost all that answers them: 3." in printed
    plain = json.loads(printed.splitlines()[-1])
    assert plain["holdout"] is True
    assert plain["left_out"] == {"unjudged": 1}
    assert plain["duplicates"] == 0
    assert plain["quarantined"] == {"documents": 7, "questions": 3}


def test_documents_that_were_not_taken_in_are_named() -> None:
    texts = {"whole": "The box is in the house.", "full of zeros": "The box" + "\0" * 30 + " is in the house."}
    documents = [{"id": name, "title": "", "text": text} for name, text in texts.items()]
    with asking.ingested(documents, "en") as (installation, names):
        assert asking.quarantined(installation, names) == {"full of zeros"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--questions", "50"], "kept for something else: questions"),
        (["--languages", "fr"], "kept for something else: languages"),
        (["--reader", "late-interaction"], "kept for something else: reader"),
        (["--labels", "85"], "Give fewer --labels"),
        (["--report", "nowhere/page.html"], "cannot be written"),
        (["--table", "nowhere/kept.npz"], "cannot be written"),
        (["--table", "."], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_asked(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    assert run(monkeypatch, folder, "--table", "kept", *arguments) == 2
    assert message in capsys.readouterr().err


def test_results_of_other_files_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "queries.jsonl").open("a") as queries:
        queries.write("\n")
    assert run(monkeypatch, folder, "--table", folder.parent / "kept") == 2
    assert "kept for something else: queries.jsonl differ" in capsys.readouterr().err


def test_a_kept_table_is_found_under_its_name_as_it_was(tmp_path: Path) -> None:
    for name in ("kept", "kept.npz", "kept.table"):
        keeping.keep(replace(table(), groups=np.arange(QUESTIONS) + 3), tmp_path / name)
        found, about = keeping.load(tmp_path / name)
        assert (found.features == table().features).all()
        assert found.groups[0] == 3
        assert not about
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "kept.npz", "kept.table"]


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_file_that_holds_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept").write_bytes(content)
    with pytest.raises(RefusedError, match="holds no table"):
        keeping.load(tmp_path / "kept")


def test_a_file_of_another_kind_of_numbers_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.arange(3))
    np.savez(tmp_path / "other.npz", features=np.arange(3))
    for name in ("other.npy", "other.npz"):
        with pytest.raises(RefusedError, match="holds no table"):
            keeping.load(tmp_path / name)
