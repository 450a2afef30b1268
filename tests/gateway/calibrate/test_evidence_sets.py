"""Sets of questions as somebody else wrote them."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from policies.errors import RefusedError
from tests.evidence.confidence.folder import held_out, judgements, languages, rows
from tests.evidence.confidence.questions import asked_of, mixed, natural


def a_set(folder: Path) -> Path:
    """Of 100 questions ten are judged without an answer."""
    write(folder / "queries.jsonl", [{"id": f"q{number}", "text": f"Question {number}?"} for number in range(100)])
    write(folder / "corpus.jsonl", [{"id": f"d{number}", "text": f"Text {number}."} for number in range(50)])
    judge(folder, 90)
    (folder / "holdout30.json").write_text(json.dumps({"holdout_docs": [f"d{number}" for number in range(15)]}))
    return folder


def write(path: Path, objects: Sequence[object]) -> None:
    path.write_text("\n".join(map(json.dumps, objects)), "utf-8")


def judge(folder: Path, answered: int) -> None:
    lines = [f"q{number}\td{number // 2}\t{int(number < answered)}.0\n" for number in range(100)]
    (folder / "qrels.tsv").write_text("".join(lines))


def kinds(folder: Path) -> dict[str, str]:
    return {one.text: one.kind for one in natural(folder, limit=1000, seed=0)}


def test_a_mix_hides_what_answers_or_asks_for_what_is_not_there(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    asked = mixed(folder, limit=60, seed=0)
    assert Counter(one.kind for one in asked) == {"answerable": 36, "deleted": 12, "off_topic": 12}
    away = held_out(folder)
    for one in asked:
        assert bool(one.documents) == (one.kind == "answerable")
        assert bool(one.hidden) == (one.kind != "answerable")
        assert bool(one.hidden & away) == (one.kind == "off_topic")
    assert len({one.text for one in asked}) == 60


def test_a_set_as_it_is_has_questions_without_an_answer(tmp_path: Path) -> None:
    assert Counter(kinds(a_set(tmp_path)).values()) == {"answerable": 90, "unanswerable": 10}


def test_a_set_without_unanswerable_questions_gets_some_and_one_with_enough_stays(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    (folder / "holdout30.json").unlink()
    chosen = asked_of(folder, holdout=False, limit=1000, seed=0)
    assert chosen.away == held_out(folder)
    assert 5 < len(chosen.away) < 25
    assert {one.kind for one in chosen.asked} == {"answerable", "deleted", "off_topic"}
    assert any("as with --holdout" in remark for remark in chosen.remarks)
    assert not asked_of(folder, holdout=True, limit=1000, seed=0).remarks
    judge(folder, 70)
    chosen = asked_of(folder, holdout=False, limit=1000, seed=0)
    assert not chosen.away
    assert not chosen.remarks
    assert sum(one.kind == "unanswerable" for one in chosen.asked) == 30


def test_a_set_with_hardly_a_question_is_refused_with_what_became_of_its_questions(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    (folder / "qrels.tsv").write_text("q1\td1\t1\nq2\td40\t1\nq3\tgone\t1\n")
    with pytest.raises(
        RefusedError,
        match=r"fewer than 20 questions with, or without, an answer: of 100 queries 2 are judged, 2 of them have a "
        r"document in corpus\.jsonl, and holdout30\.json takes 15 documents away, all that answer 1 of them; "
        r".*97 are left out",
    ):
        asked_of(folder, holdout=True, limit=1000, seed=0)


def test_a_question_that_is_said_to_have_no_answer_has_none_whatever_is_judged_of_it(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    flags = [False, "false", 0, "0", "False", True, "true", 1, None]
    queries = [{"id": f"q{number}", "text": f"{number}", "answerable": flag} for number, flag in enumerate(flags)]
    write(folder / "queries.jsonl", queries)
    unanswerable = {str(number): "unanswerable" for number in range(5)}
    assert kinds(folder) == unanswerable | {str(number): "answerable" for number in range(5, 9)}


def test_questions_of_which_nothing_is_known_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    more: list[dict[str, object]] = [
        {"id": "a", "text": "said to have an answer, but not where", "answerable": True},
        {"id": "b", "text": "the same, with grade 0", "answerable": True},
        {"id": "c", "text": "neither judged nor flagged"},
        {"id": "d", "text": "judged, but the document is not there"},
        {"id": "e", "text": "the same, and flagged so", "answerable": True},
        {"id": "f", "text": " "},
    ]
    more += [{"id": f"no{number}", "text": f"no answer {number}", "answerable": False} for number in range(15)]
    write(folder / "queries.jsonl", rows(folder / "queries.jsonl") + more)
    with (folder / "qrels.tsv").open("a") as file:
        file.write("b\td1\t0\nd\tgone\t1\ne\tlost\t1\nno1\tgone\t1\n")
    chosen = asked_of(folder, holdout=False, limit=1000, seed=0)
    assert Counter(one.kind for one in chosen.asked) == {"answerable": 90, "unanswerable": 25}
    assert chosen.left_out == {"nowhere": 2, "unjudged": 1, "elsewhere": 2, "blank": 1}
    assert any("'gone' of the query 'd'" in remark for remark in chosen.remarks)


def test_equal_documents_answer_are_hidden_and_are_held_out_together(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    alone = {holdout: asked_of(folder, holdout=holdout, limit=1000, seed=0) for holdout in (True, False)}
    copies = [{"id": f"copy of d{number}", "title": None, "text": f"text  {number}. "} for number in range(50)]
    with (folder / "corpus.jsonl").open("a") as corpus:
        corpus.write("\n" + "\n".join(map(json.dumps, copies)))
    judge(folder, 90)

    def both(names: frozenset[str]) -> frozenset[str]:
        return names | {f"copy of {name}" for name in names}

    for holdout in (True, False):
        chosen = asked_of(folder, holdout=holdout, limit=1000, seed=0)
        assert chosen.duplicates == 50
        assert chosen.away == both(alone[holdout].away)
        assert [(one.text, one.kind, one.documents, one.hidden) for one in chosen.asked] == [
            (one.text, one.kind, both(one.documents), both(one.hidden)) for one in alone[holdout].asked
        ]
    (folder / "holdout30.json").unlink()
    named = held_out(folder)
    assert named == both(frozenset(name for name in named if not name.startswith("copy")))


def test_judgements_may_have_a_header_no_grade_or_a_grade_of_0(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("\ufeffquery-id\tcorpus-id\tscore\r\nq1\td1\t2\r\nq1\td2\t0\r\nq2\td3\r\n\r\n", "utf-8")
    assert judgements(path) == {"q1": {"d1"}, "q2": {"d3"}}
    path.write_text("q0\td1\t0\nq1 \td\u2028\x85\u20281 \t 1\n", "utf-8")
    assert judgements(path) == {"q0": set(), "q1": {"d\u2028\x85\u20281"}}


@pytest.mark.parametrize("content", ["q1 d1 1\n", "q1\td1\t1\nq2\td2\thigh\n", "q1\td1\t1\nq2\td2\tNaN\n"])
def test_what_is_no_judgement_is_refused_with_its_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(content)
    with pytest.raises(RefusedError, match=r"qrels.tsv line \d .*A set is corpus.jsonl"):
        judgements(path)


@pytest.mark.parametrize(
    "content",
    [
        *["", "[]", "{", '{"id": "a"}', '{"text": "A"}', '{"id": 1, "text": "A"}\n{"id": "1", "text": "B"}', "\xff"],
        *['{"id": null, "text": "A"}', '{"id": " ", "text": "A"}', '{"id": 1, "title": [], "text": "A"}'],
        '{"id": 1, "text": "A", "answerable": "perhaps"}',
        '{"id": 1, "text": "half a \\ud83d"}',
        pytest.param(f'{{"id": 1, "text": "A", "deep": {"[" * 20000}{"]" * 20000}}}', id="deep"),
    ],
)
def test_what_is_no_corpus_is_refused_with_the_mend(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corpus.jsonl"
    with pytest.raises(RefusedError, match=r"A set is corpus\.jsonl"):
        rows(path)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RefusedError, match=r"A set is corpus\.jsonl"):
        rows(path)


@pytest.mark.parametrize("content", ["q1\t0\td1\t1\n", "q1 0 d1 1\n", "qid\titer\tdoc\trel\nq1\t0\td1\t1\n"])
def test_judgements_as_trec_writes_them_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(content)
    with pytest.raises(RefusedError, match="four columns"):
        judgements(path)


def test_a_title_may_be_a_number_and_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": " a ", "title": 2021, "text": "A\u2028\x85"}\r\n{"id": 0, "title": 0, "text": ""}', "utf-8")
    found = [(row["id"], row["title"], row["text"]) for row in rows(path)]
    assert found == [("a", "2021", "A\u2028\x85"), ("0", "0", "")]


def test_a_file_that_is_missing_or_packed_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"corpus.jsonl' is not there\. "):
        rows(tmp_path / "corpus.jsonl")
    (tmp_path / "corpus.jsonl.gz").touch()
    with pytest.raises(RefusedError, match=r"only corpus\.jsonl\.gz"):
        rows(tmp_path / "corpus.jsonl")


@pytest.mark.parametrize("named", [["d1"], {"holdout_docs": "d1"}, {"holdout_docs": [None]}, {}, None])
def test_a_hold_out_that_lists_no_ids_is_refused(tmp_path: Path, named: object) -> None:
    (tmp_path / "holdout30.json").write_text(json.dumps(named))
    with pytest.raises(RefusedError, match=r"holdout30\.json.* holdout_docs"):
        held_out(tmp_path)


def test_the_languages_of_a_set_are_found() -> None:
    english, french = {"text": "What is in the box of the house?"}, {"text": "Ce qui est dans la boîte de la maison."}
    assert languages([english] * 30) == "en"
    assert languages([french] * 30 + [english]) == "fr"
    assert languages([french] * 20 + [english] * 10) == "fr,en"
