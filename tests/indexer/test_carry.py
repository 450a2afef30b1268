from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from indexer import carry, catalog
from indexer.analyse import analyser_version
from indexer.build import build
from indexer.carry import Making, gather
from policies.errors import IntegrityError
from policies.manifest import Source
from policies.model import Access, GenerationId, SourceName
from tests.indexer.workbench import ACTOR, MODIFIED, NOW, Bench, create, opened, text

FILES = {f"{number}.md": text(f"Title {number}", f"Line of {number} on leave.", "Another.") for number in range(4)}


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(applied)
    return applied


def files_of(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def serving(bench: Bench, source: Source) -> Path:
    generation = bench.registered(source).generation
    assert generation is not None
    return bench.home.generation(source.name, generation)


def from_scratch(bench: Bench, source: Source, folder: Path) -> Mapping[str, bytes]:
    """Every file of a generation that nothing was carried over into."""
    identity = bench.stages.embedder_identity
    name = GenerationId("f" * 24)
    build(
        bench.database,
        bench.keyring,
        source,
        folder,
        generation=name,
        embedder=identity.key,
        dim=identity.dim,
        former=None,
    )
    return files_of(folder / name)


def spoil(bench: Bench) -> None:
    """Make every stored passage unreadable."""
    with bench.database.writing() as session:
        session.connection().execute(sql("UPDATE passage SET text = :zeros, vector = :zeros"), {"zeros": bytes(60)})


def touch(bench: Bench, source: Source) -> None:
    """Have the next publishing make a new generation."""
    with bench.database.writing() as session:
        catalog.hide_all(session, source.name)


documents_of = st.dictionaries(
    st.sampled_from([f"{number}.md" for number in range(6)]),
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)),
)
"""By name: how many lines it has, of which the text follows; how many days old it is; who may read it."""


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=st.lists(documents_of, min_size=2, max_size=3))
def test_every_file_is_to_the_last_bit_as_if_nothing_had_been_carried_over(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[str, tuple[int, int, int]]]
) -> None:
    root = tmp_path_factory.mktemp("carry")
    create(root / "home")
    numbers = count()
    with opened(root / "home") as bench:
        source = bench.apply()
        for documents in rounds:
            bench.origin.files = {
                name: replace(
                    text(f"Title {lines}", *(f"Line {line} of {lines} " + "word " * 150 for line in range(lines))),
                    modified=MODIFIED - timedelta(days=days),
                )
                for name, (lines, days, _) in documents.items()
            }
            bench.sync(source, confirm_deletes=True)
            assert files_of(serving(bench, source)) == from_scratch(bench, source, root / f"{next(numbers)}")
            held = bench.documents(source)
            with bench.database.writing() as session:
                for name, (_, _, group) in documents.items():
                    readers = Access(allow=frozenset({f"group:{group}"}), deny=frozenset())
                    catalog.amend(session, replace(held[bench.id(source, name)], access=readers))
            bench.workshop.publish(source, actor=ACTOR)
            assert files_of(serving(bench, source)) == from_scratch(bench, source, root / f"{next(numbers)}")


def test_what_did_not_change_is_not_opened_again_but_for_a_rebuild(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    bench.origin.files["new.md"] = text("Another", "Something else.")
    del bench.origin.files["2.md"]
    kept = bench.documents(source)
    spoil(bench)
    bench.sync(source)
    generation = bench.generation(source)
    assert {member.document for member in generation.members()} == {
        bench.id(source, name) for name in bench.origin.files
    }
    unchanged = {kept[bench.id(source, name)].revision.id for name in ("0.md", "1.md", "3.md")}
    assert unchanged < {member.revision for member in generation.members()}
    with pytest.raises(IntegrityError, match="does not open"):
        bench.workshop.rebuild(source, actor=ACTOR)
    with pytest.raises(IntegrityError, match="does not open"):
        from_scratch(bench, source, tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "vectors.bin", "documents.npz", "lexicon/rows.npy"])
@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_of_a_damaged_generation_nothing_is_carried_over(
    bench: Bench, source: Source, tmp_path: Path, name: str, damage: str
) -> None:
    path = serving(bench, source) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "flipped":
        path.write_bytes(content)
    else:
        path.unlink()
    touch(bench, source)
    bench.workshop.publish(source, actor=ACTOR)
    assert files_of(serving(bench, source)) == from_scratch(bench, source, tmp_path)
    assert bench.served(source) == set(bench.documents(source))


def test_without_a_generation_nothing_is_carried_over(bench: Bench, source: Source) -> None:
    registered = bench.registered(source)
    folder = bench.home.generations(source.name)
    assert carry.serving(registered, folder) is not None
    assert carry.serving(replace(registered, generation=None, generation_digest=None), folder) is None
    assert carry.serving(replace(registered, generation_digest="0" * 64), folder) is None


@pytest.fixture
def making(bench: Bench, source: Source) -> Making:
    identity = bench.stages.embedder_identity
    languages = tuple(source.policy.redaction.languages)
    return Making(
        source=source.name,
        embedder=identity.key,
        analyser=analyser_version(),
        dim=identity.dim,
        languages=languages,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"source": SourceName("another")},
        {"embedder": "another"},
        {"analyser": "another"},
        {"languages": ("en",)},
        {"dim": 12},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_of_a_generation_that_was_made_otherwise_nothing_is_carried_over(
    bench: Bench, source: Source, making: Making, changes: dict[str, object]
) -> None:
    revisions = {one.revision.id: one.revision.passages for one in bench.documents(source).values()}
    keys = bench.keyring.document_keys(revisions)
    former = bench.generation(source)
    spoil(bench)
    with bench.database.reading() as session:
        gather(session, keys, revisions, making=making, former=former)
        with pytest.raises(IntegrityError):
            gather(session, keys, revisions, making=replace(making, **changes), former=former)  # type: ignore[arg-type]


def test_a_revision_of_another_length_is_taken_from_the_catalog(bench: Bench, source: Source, making: Making) -> None:
    bench.origin.files["long.md"] = text("Long", *(f"Paragraph {number} " + "word " * 150 for number in range(5)))
    bench.sync(source)
    revision = bench.documents(source)[bench.id(source, "long.md")].revision
    assert revision.passages > 1
    former = bench.generation(source)
    with bench.database.writing() as session:
        session.connection().execute(
            sql("DELETE FROM passage WHERE revision = :revision AND ordinal > 0"), {"revision": revision.id}
        )
    keys = bench.keyring.document_keys([revision.id])
    with bench.database.reading() as session:
        carried, scratch = (
            gather(session, keys, {revision.id: 1}, making=making, former=one) for one in (former, None)
        )
    assert carried.vectors.tobytes() == scratch.vectors.tobytes()
    assert carried.vectors.shape == (1, making.dim)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM passage WHERE revision = :revision AND ordinal = 1",
        "DELETE FROM passage WHERE revision = :revision",
        "UPDATE passage SET ordinal = 9 WHERE revision = :revision AND ordinal = 1",
        "UPDATE passage SET ordinal = -1 WHERE revision = :revision AND ordinal = 1",
    ],
)
def test_a_passage_that_the_catalog_lacks_stops_the_build_though_the_former_generation_has_it(
    bench: Bench, source: Source, statement: str
) -> None:
    bench.origin.files["long.md"] = text("Long", *(f"Paragraph {number} " + "word " * 150 for number in range(5)))
    bench.sync(source)
    revision = bench.documents(source)[bench.id(source, "long.md")].revision.id
    with bench.database.writing() as session:
        session.connection().execute(sql(statement), {"revision": revision})
    touch(bench, source)
    before = bench.registered(source).generation
    with pytest.raises(IntegrityError, match="does not have the passages it should have"):
        bench.workshop.publish(source, actor=ACTOR)
    assert bench.registered(source).generation == before


def test_a_document_without_a_key_or_with_a_tombstone_is_not_carried_over(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    documents = bench.documents(source)
    lost, purged = bench.id(source, "0.md"), bench.id(source, "3.md")
    bench.keyring.destroy(keys=[documents[lost].revision.id])
    bench.keyring.entomb({purged: documents[purged].revision.version}, purge="p1", now=NOW)
    touch(bench, source)
    bench.workshop.publish(source, actor=ACTOR)
    assert {member.document for member in bench.generation(source).members()} == set(documents) - {lost, purged}
    assert files_of(serving(bench, source)) == from_scratch(bench, source, tmp_path)
