from pathlib import Path

import pytest

from gateway.calibrate import Golden, read_golden
from gateway.calibrate.golden import alike
from policies.errors import RefusedError
from policies.model import SourceName

HR = SourceName("hr")


def golden(tmp_path: Path, content: str) -> tuple[Golden, ...]:
    path = tmp_path / "golden.jsonl"
    path.write_text(content, "utf-8")
    return read_golden(path, HR)


def test_questions_for_the_source_are_read_and_others_left_out(tmp_path: Path) -> None:
    content = (
        '{"source": "hr", "query": " How many days? ", "documents": ["leave.md", "b.md"]}\n\n'
        '{"source": "legal", "query": "Who signs?", "documents": ["x.md"]}\r\n'
        '{"source": "hr", "query": "Une ligne\u2028de plus ?", "documents": []}\n'
    )
    assert golden(tmp_path, content) == (
        Golden(query="How many days?", documents=("leave.md", "b.md")),
        Golden(query="Une ligne\u2028de plus ?", documents=()),
    )


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '"x"',
        '{"source": "hr", "query": "q"}',
        '{"source": "hr", "query": " ", "documents": []}',
        '{"source": "hr", "query": 1, "documents": []}',
        '{"source": 1, "query": "q", "documents": []}',
        '{"source": "hr", "query": "q", "documents": "leave.md"}',
        '{"source": "hr", "query": "q", "documents": [1]}',
        '{"source": "legal", "query": 1, "documents": []}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_question_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    first = '{"source": "hr", "query": "q", "documents": []}\n'
    with pytest.raises(RefusedError, match=r"golden\.jsonl:2: this is not a golden question") as caught:
        golden(tmp_path, first + line)
    assert '"query": "q"' not in caught.value.message


@pytest.mark.parametrize("query", ["\\ud83d", "a\\u0000b", "x" * 20_001])
def test_a_question_that_no_caller_could_ask_is_refused_by_its_number(tmp_path: Path, query: str) -> None:
    lines = ('{"source": "hr", "query": "' + text + '", "documents": []}' for text in ("x" * 20_000, query))
    first, second = lines
    with pytest.raises(RefusedError, match=r"golden\.jsonl:2: no caller could ask this question"):
        golden(tmp_path, f"{first}\n{second}")
    assert len(golden(tmp_path, first + "\n" + second.replace('"hr"', '"legal"'))) == 1


def test_a_byte_order_mark_is_no_part_of_the_first_question(tmp_path: Path) -> None:
    line = '{"source": "hr", "query": "How many days?", "documents": []}'
    assert golden(tmp_path, f"\ufeff{line}") == golden(tmp_path, line)


def test_a_question_knows_its_line(tmp_path: Path) -> None:
    lines = ('{"source": "' + source + '", "query": "' + source + '", "documents": []}' for source in ("legal", "hr"))
    (only,) = golden(tmp_path, "\n\n".join(lines))
    assert only.line == 3


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read as UTF-8"):
        read_golden(tmp_path / "away.jsonl", HR)
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9")
    with pytest.raises(RefusedError, match="cannot be read as UTF-8"):
        read_golden(tmp_path / "latin.jsonl", HR)


def test_a_file_without_a_question_for_the_source_says_so(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no question for 'hr', and 1 for other sources"):
        golden(tmp_path, '{"source": "legal", "query": "Who signs?", "documents": []}\n')
    with pytest.raises(RefusedError, match="no question for 'hr', and 0"):
        golden(tmp_path, "\n")


def test_a_question_with_two_answers_is_refused_and_the_same_one_counts_once(tmp_path: Path) -> None:
    first = '{"source": "hr", "query": "How many days?", "documents": ["a.md", "b.md"]}\n'
    again = '{"source": "hr", "query": "how  many DAYS?", "documents": ["b.md", "a.md"]}\n'
    assert len(golden(tmp_path, first + again)) == 1
    with pytest.raises(RefusedError, match=r"golden\.jsonl:3: the question of line 1 is asked again") as caught:
        golden(tmp_path, first + again + '{"source": "hr", "query": "How many days?", "documents": []}')
    assert "days" not in caught.value.message


def test_words_that_differ_in_a_plus_or_a_hash_are_two_and_drawn_as_ever(tmp_path: Path) -> None:
    lines = (
        f'{{"source": "hr", "query": "{query}", "documents": ["{name}.md"]}}'
        for query, name in (("Guide C++ ?", "plus"), ("Guide C# ?", "sharp"), ("guide C#", "sharp"))
    )
    found = golden(tmp_path, "\n".join(lines))
    assert [one.query for one in found] == ["Guide C++ ?", "Guide C# ?"]
    # What certifies must not move when Penstock is upgraded.
    assert {alike(one.query) for one in found} == {"guide c"}
