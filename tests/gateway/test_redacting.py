"""`penstock redact`: what it shows, to whom, and what a hostile document can do to it."""

import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gateway.cli import redacting
from gateway.cli.commands import build
from gateway.cli.redaction_page import render
from gateway.cli.shell import Run, installation
from gateway.cli.shown import Piece, Shown, visible
from gateway.cli.sidebyside import show_beside
from gateway.settings import encode_master_key
from gateway.wiring import Installation, LazyStages
from indexer import detect, parse, redact
from indexer.reasons import Hidden, Reason, Why
from indexer.redact import Redactor, pseudonym
from indexer.rules import RedactionRules
from policies.errors import PenstockError, QuarantineError, RefusedError
from policies.ledger import Record
from policies.model import Action
from tests import catalogs
from tests.indexer.workbench import MASTER_KEY, Bench, text

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b]0;x\x07\u202e"
TEXT = "Mail jane@example.com or ring Mr Okafor.\n\nOkafor was born on 12 March 1980."


@pytest.fixture(scope="module")
def stages() -> Iterator[SimpleNamespace]:
    with parse.parser() as parser, redact.detector() as detector:
        yield SimpleNamespace(parser=parser, ocr=None, redactor=Redactor(detector))


@pytest.fixture
def typed(stages: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a letter; the commands use processes that are up already."""
    monkeypatch.setattr(redacting, "_stages", lambda _: stages)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text(TEXT, "utf-8")
    return tmp_path


class Done(SimpleNamespace):
    out: str
    err: str
    error: BaseException | None


def run(*arguments: str, stdin: str | None = None) -> Done:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(build(), ["redact", *arguments], input=stdin, obj=Run())
    return Done(out=result.stdout, err=result.stderr, error=result.exception)


def refused(*arguments: str, stdin: str | None = None) -> PenstockError:
    error = run(*arguments, stdin=stdin).error
    assert isinstance(error, PenstockError)
    return error


def hidden(original: str, value: str, replacement: str = "[PERSON_aaaabbbbccccddddeeee]") -> Hidden:
    start = original.index(value)
    reason = Reason(
        start=start, end=start + len(value), entity="PERSON", name="names: read as a person", why=Why.READ, score=0.93
    )
    return Hidden(start=reason.start, end=reason.end, entity="PERSON", replacement=replacement, reasons=(reason,))


def shown(original: str, *found: Hidden, name: str = "letter.txt") -> Shown:
    redacted = original
    for one in reversed(found):
        redacted = f"{redacted[: one.start]}{one.replacement}{redacted[one.end :]}"
    piece = Piece(place="1", original=original, redacted=redacted, hidden=found)
    return Shown(
        name=name, kind="txt", source=None, profile="balanced", languages=("en",), pieces=(piece,),
        counts={"PERSON": len(found)} if found else {}, parts=0, skipped=0,
    )  # fmt: skip


def test_the_redacted_text_can_be_piped_and_the_counts_stand_beside_it(typed: Path) -> None:
    done = run("letter.txt")
    assert re.fullmatch(
        r"Mail \[EMAIL_ADDRESS_\w{20}\] or ring Mr (\[PERSON_\w{20}\])\.\n\n"
        r"\1 was born on \[DATE_OF_BIRTH_\w{20}\]\.\n",
        done.out,
    )
    assert "2  PERSON" in done.err
    assert "1  EMAIL_ADDRESS" in done.err
    assert "throw-away key" in done.err
    assert {file.name for file in typed.iterdir()} == {"letter.txt"}


@pytest.mark.usefixtures("typed")
def test_text_can_come_from_standard_input() -> None:
    done = run("-", stdin="Call jane@example.com.")
    assert re.fullmatch(r"Call \[EMAIL_ADDRESS_\w{20}\]\.\n", done.out)


@pytest.mark.usefixtures("typed")
def test_every_finding_says_what_found_it() -> None:
    told = json.loads(run("letter.txt", "--explain", "--json").out)
    found = {
        (element["original"][one["start"] : one["end"]], reason["found_by"], reason["why"])
        for element in told["elements"]
        for one in element["hidden"]
        for reason in one["reasons"]
    }
    assert ("jane@example.com", "EMAIL_ADDRESS: e-mail address", "distinct shape") in found
    assert ("12 March 1980", "DATE_OF_BIRTH: date of birth", "announced by context") in found
    assert {value for value, _, _ in found} == {"jane@example.com", "Okafor", "12 March 1980"}


@pytest.mark.parametrize(
    ("text", "value", "name", "why", "score"),
    [
        (
            "NIR 1 84 12 76 451 089 46",
            "1 84 12 76 451 089 46",
            "FR_NIR: French social security number",
            Why.CHECKSUM,
            1,
        ),
        ("NHS number 943-476-5919", "943-476-5919", "UK_NHS: NHS number", Why.CHECKED_CONTEXT, 1),
        ("+33 6 12 34 56 78", "+33 6 12 34 56 78", "PHONE_NUMBER: telephone number", Why.NUMBERING, 1),
        ("sort code 12-34-56", "12-34-56", "UK_SORT_CODE: sort code", Why.CONTEXT, 0.9),
        ("AB 12 34 56 C", "AB 12 34 56 C", "UK_NINO: National Insurance number", Why.DISTINCT, 0.8),
        ("on 3 May 2024", "3 May 2024", "DATE: date", Why.COMMON, 0.6),
        ("seen from 10.0.0.1", "10.0.0.1", "IP_ADDRESS: IP address", Why.DISTINCT, 0.6),
        ("ring +44 20 7946\n0958", "+44 20 7946\n0958", "PHONE_NUMBER: telephone number", Why.TWO_LINES, 1),
        ("x" * 300, "x" * 300, "LONG_TOKEN: unbroken run of characters", Why.LONG, None),
    ],
)
def test_each_way_of_finding_has_its_words(
    stages: SimpleNamespace, text: str, value: str, name: str, why: Why, score: float | None
) -> None:
    told = stages.redactor.explain(
        [text], key=bytes(32), rules=RedactionRules(profile="strict", languages=("en", "fr"))
    )
    (found,) = [one for one in told.hidden[0] if text[one.start : one.end] == value]
    reason = found.reasons[0]
    assert (reason.name, reason.why, reason.score) == (name, why, score)


def test_names_say_whether_they_were_read_or_known_and_all_findings_are_told(stages: SimpleNamespace) -> None:
    texts = ["Helen Garside was born on 12 March 1980.", "Then Garside left."]
    options = {"key": bytes(32), "rules": RedactionRules(profile="strict", languages=("en", "fr"))}
    told = stages.redactor.explain(texts, **options)
    assert told.texts == stages.redactor.redact(texts, **options).texts
    why = {texts[place][one.start : one.end]: one.reasons for place in (0, 1) for one in told.hidden[place]}
    assert [reason.why for reason in why["Helen Garside"]] == [Why.READ]
    assert [reason.why for reason in why["12 March 1980"]] == [Why.CONTEXT, Why.COMMON]
    assert [reason.why for reason in why["Garside"]] in ([Why.PROPAGATED], [Why.READ])
    for whole, left, hidden_here in zip(texts, told.texts, told.hidden, strict=True):
        for one in reversed(hidden_here):
            whole = whole[: one.start] + one.replacement + whole[one.end :]  # noqa: PLW2901
        assert whole == left


@pytest.mark.usefixtures("typed")
def test_scripts_get_no_original_unless_they_ask_for_reasons() -> None:
    out = run("letter.txt", "--json").out
    assert json.loads(out)["counts"] == {"DATE_OF_BIRTH": 1, "EMAIL_ADDRESS": 1, "PERSON": 2}
    assert not re.search("jane|Okafor|1980", out)


@pytest.mark.usefixtures("typed")
def test_explained_text_stands_side_by_side_with_its_reasons() -> None:
    out = run("letter.txt", "--explain").out
    assert "[[jane@example.com]]" in out
    assert "[EMAIL_ADDRESS_" in out
    assert "announced by context" in out


def test_on_a_narrow_terminal_the_two_stand_one_under_the_other() -> None:
    text = "Helen was here"
    lines = {}
    for width in (60, 120):
        out = StringIO()
        show_beside(shown(text, hidden(text, "Helen")), Console(file=out, width=width))
        lines[width] = [line for line in out.getvalue().splitlines() if "was here" in line]
    assert [len(lines[width]) for width in (60, 120)] == [2, 1]


def test_what_dropping_brought_together_and_dropped_is_not_shown_as_left() -> None:
    piece = Piece(
        place="1", original="4111 1111 Ann 1111 1111 x", redacted="x", hidden=(hidden("4111 1111 Ann", "Ann", ""),)
    )
    assert list(piece.remains()) == [("x", None)]


def test_no_document_steers_the_terminal() -> None:
    out = StringIO()
    text = f"{HOSTILE} [bold]Helen[/bold]"
    show_beside(shown(text, hidden(text, "Helen")), Console(file=out, width=200))
    assert not re.search("[\x1b\x07\u202e]", out.getvalue())
    assert "[bold][[Helen]][/bold]" in out.getvalue()
    assert visible("1\u202f234\t\x9b") == "1 234 \\x9b"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_of_a_hostile_document_runs_in_the_page() -> None:
    found = hidden(f"x {HOSTILE}", HOSTILE, replacement=HOSTILE)
    page = Tags()
    page.feed(render(shown(f"x {HOSTILE}", found, name=HOSTILE)))
    plain = Tags()
    plain.feed(render(shown("x Helen", hidden("x Helen", "Helen"))))
    assert page.tags <= plain.tags
    assert page.attributes == plain.attributes
    assert not page.tags & {"script", "img", "iframe", "object", "link", "form"}
    assert "<img src=x onerror=alert(1)>" in page.text
    (allowed,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', render(shown("x")))
    assert "default-src 'none'" in allowed
    assert "unsafe" not in allowed
    assert "script" not in allowed


def test_the_page_is_for_its_maker_only_and_replaces_nothing_unasked(typed: Path) -> None:
    page = typed / "out.html"
    assert run("letter.txt", "--html", "out.html").out == "out.html\n"
    assert stat.S_IMODE(page.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert "jane@example.com" in page.read_text("utf-8")
    page.chmod(0o644)
    page.write_text("mine", "utf-8")
    assert "--force" in refused("letter.txt", "--html", "out.html").mend
    assert page.read_text("utf-8") == "mine"
    run("letter.txt", "--html", "out.html", "--force")
    assert stat.S_IMODE(page.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("missing.txt",), "FileNotFoundError"),
        ((".",), "IsADirectoryError"),
        (("letter.txt", "--profile", "none"), "balanced"),
        (("letter.txt", "--profile", "lax"), "balanced"),
        (("letter.txt", "--language", "de"), "'de'"),
        (("letter.txt", "--html", "no/folder/out.html"), "no/folder"),
    ],
)
@pytest.mark.usefixtures("typed")
def test_what_cannot_be_done_is_refused(arguments: tuple[str, ...], word: str) -> None:
    error = refused(*arguments)
    assert isinstance(error, RefusedError)
    assert word in str(error)


def test_a_document_that_would_be_quarantined_says_why(typed: Path) -> None:
    (typed / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    done = run("broken.pdf")
    assert isinstance(done.error, QuarantineError)
    assert "broken.pdf would be quarantined: parse, corrupt." in done.err
    assert done.out == ""


@pytest.mark.usefixtures("typed")
def test_a_document_is_read_no_further_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_DOCUMENT_BYTES", 20)
    assert "20 bytes" in str(refused("letter.txt"))
    assert "20 bytes" in str(refused("-", stdin="x" * 30))


def test_without_a_language_all_that_are_covered_are_read() -> None:
    assert redacting.LANGUAGES == detect.LANGUAGES


@pytest.fixture
def at_home(bench: Bench, stages: SimpleNamespace, typed: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The home is a bench's, with processes that are up already."""
    del typed

    @contextmanager
    def opened(home: Path | None) -> Iterator[Installation]:
        with installation(home) as real:
            yield replace(real, stages=cast("LazyStages", stages))

    monkeypatch.setenv("PENSTOCK_HOME", str(bench.home.root))
    monkeypatch.setenv("PENSTOCK_MASTER_KEY", encode_master_key(MASTER_KEY))
    monkeypatch.setenv("PENSTOCK_MASTER_KEY_FILE", "")
    for name, value in catalogs.environment(bench.home.root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(redacting, "installation", opened)
    return bench


def shown_in_the_audit(bench: Bench) -> list[Record]:
    return [record for record in bench.audit() if record.action == Action.REDACTION_SHOWN]


def test_a_source_lends_its_rules_and_its_pseudonyms_and_the_audit_counts(at_home: Bench) -> None:
    source = at_home.apply()
    at_home.origin.files = {"a.md": text("A", "Something.")}
    at_home.sync(source)
    done = run("letter.txt", "--source", source.name)
    key = at_home.keyring.pseudonym_key(source.name)
    assert pseudonym("EMAIL_ADDRESS", "jane@example.com", key=key) in done.out
    assert f"as in the index of {source.name}" in done.err
    (record,) = shown_in_the_audit(at_home)
    assert json.loads(record.objects) == [source.name]
    assert json.loads(record.detail) == {"values": 4, "characters": len("letter.txt") + len(TEXT.replace("\n", ""))}


def test_a_source_has_its_own_rules(at_home: Bench) -> None:
    source = at_home.apply()
    assert "--profile" in refused("letter.txt", "--source", source.name, "--profile", "strict").mend
    assert isinstance(refused("letter.txt", "--source", "nobody"), RefusedError)
    assert shown_in_the_audit(at_home) == []
