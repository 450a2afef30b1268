"""Further recognisers: small real models, made here, in the process that redacts."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import spacy
from numpy.typing import NDArray
from safetensors.numpy import save_file
from spacy.pipeline import EntityRuler
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from indexer import readers, upgrades
from indexer.recognisers import ENTITIES
from indexer.redact import Redacted, Redactor, detector
from indexer.rules import RedactionRules
from indexer.upgrades import Upgrade
from policies.errors import DependencyError, QuarantineError, SettingsError
from policies.manifest import Redaction

KEY = bytes(range(32))
GERMAN = (
    "Die Sitzung wurde am Nachmittag unter der Leitung von frau zwölfkötter eröffnet, und alle Anwesenden waren mit "
    "der Tagesordnung einverstanden, wie sie ihnen zugesandt worden war."
)
NAME = "frau zwölfkötter"
WIDTH = 8


def pipeline(folder: Path, language: str = "de", *patterns: Mapping[str, str]) -> Upgrade:
    """A pipeline of spaCy's that knows these names by heart."""
    made = spacy.blank(language)
    ruler = made.add_pipe("entity_ruler")
    assert isinstance(ruler, EntityRuler)
    ruler.add_patterns([{**pattern} for pattern in patterns])
    made.to_disk(folder)
    return Upgrade.parse(f"spacy:{folder}")


def classifier(folder: Path, *, positions: int = 40) -> Upgrade:
    """A transformer with one layer, for which the word wumpus is a person and all else nothing."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "wum", "##pus"]
    made = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special | kind))
    labels = ["O", "B-private_person", "I-private_person"]
    config = {
        "model_type": "bert",
        "vocab_size": len(words),
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "max_position_embeddings": positions,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        **dict.fromkeys(["hidden_size", "intermediate_size"], WIDTH),
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights(len(words), positions, len(labels)), folder / "model.safetensors")
    return Upgrade.parse(f"hf:{folder}@sv")


def weights(words: int, positions: int, labels: int) -> dict[str, NDArray[np.float32]]:
    """Nothing but which word it is goes through: to one of three places, each of which is a label."""
    embeddings, layer = "bert.embeddings", "bert.encoder.layer.0"
    linear = {f"{layer}.attention.self.{part}": WIDTH for part in ("query", "key", "value")}
    linear |= {f"{layer}.{part}": WIDTH for part in ("attention.output.dense", "intermediate.dense", "output.dense")}
    tables = {f"{embeddings}.word_embeddings": words, f"{embeddings}.position_embeddings": positions}
    tables |= {f"{embeddings}.token_type_embeddings": 2} | linear | {"classifier": labels}
    norms = [f"{part}.LayerNorm" for part in (embeddings, f"{layer}.attention.output", f"{layer}.output")]
    made: dict[str, NDArray[np.float32]] = {}
    made |= {f"{name}.weight": np.zeros((rows, WIDTH), np.float32) for name, rows in tables.items()}
    made |= {f"{name}.bias": np.zeros(rows, np.float32) for name, rows in (linear | {"classifier": labels}).items()}
    made |= {f"{name}.weight": np.ones(WIDTH, np.float32) for name in norms}
    made |= {f"{name}.bias": np.zeros(WIDTH, np.float32) for name in norms}
    for word, place in ((1, 0), (2, 0), (3, 0), (4, 1), (5, 2)):
        made[f"{embeddings}.word_embeddings.weight"][word, place] = 8.0
    for label in range(labels):
        made["classifier.weight"][label, label] = 8.0
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Upgrade, Upgrade]:
    folder = tmp_path_factory.mktemp("models")
    known = ({"label": "PER", "pattern": NAME}, {"label": "MISC", "pattern": "Sitzung"})
    return pipeline(folder / "de", "de", *known), classifier(folder / "hf")


@pytest.fixture(scope="module")
def redactor(made: tuple[Upgrade, Upgrade]) -> Iterator[Redactor]:
    with detector(made) as sandbox:
        yield Redactor(sandbox, made)


def redact(
    redactor: Redactor, *texts: str, languages: tuple[str, ...] = ("en",), profile: str = "balanced"
) -> Redacted:
    return redactor.redact(texts, key=KEY, rules=RedactionRules(profile=profile, languages=languages))


def test_what_a_pipeline_finds_is_hidden_with_what_the_embedded_one_finds(redactor: Redactor) -> None:
    redacted = redact(redactor, GERMAN, "Mr Okafor rang.", languages=("de", "en"))
    assert "wölfkötter" not in redacted.texts[0]
    assert "Okafor" not in redacted.texts[1]
    assert redact(redactor, *redacted.texts) == Redacted(texts=redacted.texts, counts={}, uncovered=0)


def test_a_classifier_reads_all_of_a_text_in_windows(redactor: Redactor) -> None:
    words = ["and then"] * 400
    for place in range(0, 400, 23):
        words[place] = f"wumpus {place}" if place % 2 else "(Wumpus)"
    redacted = redact(redactor, " ".join(words))
    assert "umpus" not in redacted.texts[0]
    assert redacted.counts == {"PERSON": len(range(0, 400, 23))}


def test_who_was_found_by_a_model_is_told_by_its_kind(redactor: Redactor) -> None:
    rules = RedactionRules(profile="balanced", languages=("en",))
    told = redactor.explain([f"then {NAME} came", "then the wumpus came"], key=KEY, rules=rules)
    assert [{reason.name for one in of_text for reason in one.reasons} for of_text in told.hidden] == [
        {"spaCy: read as a person"},
        {"Hugging Face: read as a person"},
    ]


def test_where_no_names_are_wanted_no_model_is_asked(redactor: Redactor) -> None:
    assert redact(redactor, GERMAN, profile="identifiers").counts == {}


def test_the_languages_of_the_models_are_covered_and_no_others(redactor: Redactor) -> None:
    swedish = (
        "Alla människor är födda fria och lika i värde och rättigheter. De har utrustats med förnuft och samvete. "
    )
    assert redact(redactor, swedish * 2, languages=("sv",)).uncovered == 0
    italian = "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
    with pytest.raises(QuarantineError) as caught:
        redact(redactor, italian * 2)
    assert caught.value.reason == "language_not_covered"


def test_a_model_that_does_not_load_lets_nothing_through(tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    pipeline(ill, "de", {"label": "MISC", "pattern": "x"})
    upgrade = Upgrade.parse(f"spacy:{ill}")
    with detector([upgrade]) as sandbox, pytest.raises(DependencyError) as caught:
        redact(Redactor(sandbox, [upgrade]), "Mr Okafor")
    assert str(upgrade) in caught.value.mend


def missing(upgrade: Upgrade) -> DependencyError:
    """What is said of a recogniser that is not there, alike by what would start it and by what tells its version."""
    with pytest.raises(DependencyError) as of_version:
        Redactor(None, [upgrade]).version  # type: ignore[arg-type]  # noqa: B018 - it is worked out when asked for
    with pytest.raises(DependencyError) as of_process:
        detector([upgrade])
    assert str(of_version.value) == str(of_process.value)
    return of_version.value


def test_what_is_missing_is_named_with_what_brings_it(tmp_path: Path) -> None:
    """GLiNER is not installed here: its pins and those of the tests do not agree."""
    library = missing(Upgrade.parse(f"gliner:{tmp_path}"))
    assert "The library 'gliner' is not installed" in library.message
    assert "pip install 'penstock[gliner]' without constraints.txt" in library.mend
    folder = missing(Upgrade.parse(f"hf:{tmp_path}/none"))
    assert "The folder is not there" in folder.message
    assert f"pip install 'penstock[transformers]', and put the model's files into '{tmp_path}/none'" in folder.mend
    assert "which has a config.json" in missing(Upgrade.parse(f"hf:{tmp_path}")).message
    package = missing(Upgrade.parse("spacy:xx_no_such_pipeline"))
    assert "pip install 'penstock[spacy]', and install the package 'xx_no_such_pipeline'" in package.mend


def test_the_version_changes_with_the_models_and_their_files(made: tuple[Upgrade, Upgrade], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, pattern in (("a", "x"), ("b", "y")):
        pipeline(tmp_path / folder, "de", {"label": "PER", "pattern": pattern})
    both = [Upgrade.parse(f"spacy:{tmp_path / folder}") for folder in ("a", "b")]
    versions = [Redactor(None, some).version for some in ((), made, made[:1], both[:1], both[1:])]  # type: ignore[arg-type]
    assert len(set(versions)) == len(versions)
    digests = {upgrade.version.split()[1] for upgrade in both}
    assert len(digests) == 2


def test_a_package_is_known_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "de_small"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "meta.json").write_text(json.dumps({"lang": "de", "pipeline": ["curated_transformer", "ner"]}))
    info = tmp_path / "de_small-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: de_small\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    upgrade = Upgrade.parse("spacy:de_small")
    assert upgrade.version.startswith("spacy:de_small 1.2 spacy==")
    assert upgrade.languages == {"de"}
    assert upgrade.loads == ("torch",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("spacy", "is not of the form KIND:MODEL"),
        ("spacy:", "is not of the form KIND:MODEL"),
        ("hf:/m@german", "is not of the form KIND:MODEL"),
        ("hf:/m~fast", "is not of the form KIND:MODEL"),
        ("bert:/models/x", "is of the kind 'bert', which is none of spacy, hf, gliner"),
        ("hf:dslim/bert-base-NER", "does not say the absolute path of a folder"),
        ("spacy:../x", "does not say the absolute path of a folder"),
    ],
)
def test_what_names_no_recogniser_is_refused(text: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Upgrade.parse(text)
    assert why in caught.value.message
    assert "such as hf:/models/pii@de,es~4" in caught.value.mend


def test_a_setting_names_each_once() -> None:
    named = upgrades.parse(" spacy:de_core_news_lg\n hf=/models/pii@de,es~4.5 ")
    assert [str(upgrade) for upgrade in named] == ["spacy:de_core_news_lg", "hf:/models/pii@de,es~4.5"]
    assert tuple(map(Upgrade.parse, map(str, named))) == named
    assert upgrades.covered(named[1:]) == {"de", "es"}
    assert upgrades.parse("") == ()
    with pytest.raises(SettingsError):
        upgrades.parse("hf:/models/pii hf:/models/pii@de")


def test_each_may_take_what_the_setting_says_and_no_more() -> None:
    named = upgrades.parse("spacy:de_core_news_lg hf:/models/pii~4.5")
    assert upgrades.allowance_s(named, ["x" * 1500, "y" * 500]) == 2 * upgrades.MIN_CPU_S + 2 * (2 + 4.5)
    assert upgrades.allowance_s((), ["x" * 1500]) == 0


def test_labels_are_those_of_published_models_and_entities_ours() -> None:
    assert {*readers.ENTITIES.values(), *readers.PROMPTS.values()} <= ENTITIES
    labels = {"B-PER": "PERSON", "I-GIVENNAME": "PERSON", "S-date_of_birth": "DATE_OF_BIRTH", "GPE": "LOCATION"}
    assert {label: readers.entity_of(label) for label in labels} == labels
    assert readers.entity_of("MISC") is None
    assert {readers.entity_of(entity) for entity in readers.PROMPTS.values()} == {*readers.PROMPTS.values()}


class Prompted:
    """Answers as GLiNER's documentation says that it does."""

    def __init__(self, max_len: int = 384) -> None:
        self.config = SimpleNamespace(max_len=max_len)
        self.asked: set[str] = set()
        self.longest = 0

    def predict_entities(self, text: str, labels: list[str], *, threshold: float) -> list[dict[str, object]]:
        self.asked |= {*labels}
        self.longest = max(self.longest, len(text))
        assert threshold == readers.LEAST
        places = [(match.start(), match.end()) for match in re.finditer("wumpus|1 May 1980", text)]
        kinds = {True: "date of birth", False: "person"}
        return [
            {"start": start, "end": end, "label": kinds[text[start].isdigit()], "score": 0.4} for start, end in places
        ]


def gliner(monkeypatch: pytest.MonkeyPatch, model: Prompted) -> dict[str, object]:
    """Puts a library of that name where it is looked for; what its only function was given."""
    given: dict[str, object] = {}

    def from_pretrained(name: str, **how: object) -> Prompted:
        given.update(how, name=name)
        return model

    library = ModuleType("gliner")
    library.GLiNER = SimpleNamespace(from_pretrained=from_pretrained)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gliner", library)
    monkeypatch.setattr(readers, "_ensure_alone", lambda: None)
    return given


@pytest.mark.parametrize("filler", ["and so on ", "、、、、、、、、、、"])
def test_what_gliner_answers_is_mapped_and_no_window_is_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, filler: str
) -> None:
    model = Prompted()
    given = gliner(monkeypatch, model)
    read = readers.load([Upgrade.parse(f"gliner:{tmp_path}")])
    text = f"{filler * 60}wumpus, born 1 May 1980"
    found = read({"PERSON", "DATE_OF_BIRTH"}, text)
    assert {(text[one.start : one.end], one.entity, one.score) for one in found} == {
        ("wumpus", "PERSON", 0.5),
        ("1 May 1980", "DATE_OF_BIRTH", 0.5),
    }
    assert read({"LOCATION"}, text) == []
    assert model.asked == {*readers.PROMPTS}
    assert model.longest <= 250
    assert given == {"name": str(tmp_path), "local_files_only": True, "map_location": "cpu"}


def test_a_model_that_would_leave_words_unread_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gliner(monkeypatch, Prompted(max_len=128))
    with pytest.raises(ValueError, match="unread"):
        readers.load([Upgrade.parse(f"gliner:{tmp_path}")])


def test_a_model_is_given_text_as_it_is_spelt(redactor: Redactor) -> None:
    """Penstock's own rules read it without accents, and without what is hidden already."""
    clause = Redaction.model_validate({"profile": "balanced", "languages": ["de"]})
    texts = [f"\u200b{NAME} ￼ ann@example.com {NAME}"]
    redacted = redactor.redact(texts, key=KEY, rules=RedactionRules.of(clause))
    assert redacted.counts == {"EMAIL_ADDRESS": 1, "PERSON": 2}
