"""PENSTOCK_RECOGNISERS: what an operator sees of it, at the terminal and in a sync."""

from pathlib import Path
from typing import cast

import pytest
import spacy
from click.testing import Result
from spacy.pipeline import EntityRuler
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.shell import Run
from gateway.settings import load
from indexer.outcome import Outcome
from indexer.redact import Redactor
from indexer.upgrades import Upgrade
from policies.errors import DependencyError, SettingsError
from tests.indexer.workbench import Bench, text

LETTER = (
    "Die Sitzung wurde am Nachmittag unter der Leitung von wumpus eröffnet, und alle Anwesenden waren mit der "
    "Tagesordnung einverstanden, wie sie ihnen zugesandt worden war."
)


def pipeline(folder: Path, name: str) -> Path:
    """A German pipeline that knows one name."""
    made = spacy.blank("de")
    ruler = made.add_pipe("entity_ruler")
    assert isinstance(ruler, EntityRuler)
    ruler.add_patterns([{"label": "PER", "pattern": name}])
    made.to_disk(folder)
    return folder


def redact(recognisers: str, *arguments: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "160", "PENSTOCK_RECOGNISERS": recognisers})
    return cast("Result", runner.invoke(build(), ["redact", *arguments], obj=Run()))


def test_a_model_that_the_setting_names_reads_its_language(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text(LETTER, "utf-8")
    model = pipeline(tmp_path / "de", "wumpus")
    result = redact(f"spacy:{model}", str(tmp_path / "letter.txt"), "--language", "de")
    assert result.exit_code == 0, result.exception
    assert "wurde am Nachmittag unter" in " ".join(result.stdout.split())
    assert "[PERSON_" in result.stdout
    assert "wumpus" not in result.stdout


@pytest.mark.parametrize(
    ("recognisers", "kind", "said"),
    [
        ("bert:/models/x", SettingsError, "PENSTOCK_RECOGNISERS: 'bert:/models/x' is of the kind 'bert'"),
        ("hf:/no/such/folder", DependencyError, "The folder is not there: recogniser 'hf:/no/such/folder'"),
    ],
)
def test_without_what_it_names_nothing_is_shown(
    tmp_path: Path, recognisers: str, kind: type[Exception], said: str
) -> None:
    (tmp_path / "letter.txt").write_text(LETTER, "utf-8")
    result = redact(recognisers, str(tmp_path / "letter.txt"))
    assert isinstance(result.exception, kind)
    assert said in str(result.exception)
    assert result.stdout == ""
    if kind is SettingsError:
        with pytest.raises(SettingsError):
            load({"PENSTOCK_RECOGNISERS": recognisers})


def test_with_another_model_every_document_is_read_anew(bench: Bench, tmp_path: Path) -> None:
    source = bench.apply()
    bench.origin.files = {"a.md": text("A", "One."), "b.md": text("B", "Two.")}
    bench.sync(source)
    plain = bench.sync(source).counts
    assert plain[Outcome.INDEXED] == 0
    for name in ("wumpus", "snark"):
        upgrade = Upgrade.parse(f"spacy:{pipeline(tmp_path / name, name)}")
        bench.stages.redactor = Redactor(bench.stages.detector, [upgrade])
        assert bench.sync(source).counts[Outcome.INDEXED] == len(bench.origin.files)
        assert bench.sync(source).counts[Outcome.INDEXED] == 0
