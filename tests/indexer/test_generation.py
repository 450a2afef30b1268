import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.generation import (
    MANIFEST,
    Generation,
    Member,
    digest_of,
    dump_inventory,
    load_inventory,
    microseconds_of,
    time_of,
)
from indexer.search import Query, search
from policies import retention
from policies.decide import CLOCK_SKEW
from policies.errors import IntegrityError
from policies.manifest import Source
from policies.model import Access, ClassId, DocumentId, Permit, SourceName
from policies.retention import Period
from tests.fakes import HashEmbedder
from tests.indexer.workbench import MODIFIED, NOW, Bench, File, create, opened, text
from tests.policies.handbook import RULES

BY_FOLDER = (
    RULES,
    RULES.replace("]}]", ']}, {match: "pay/**", allow: [group:pay], deny: [group:temps]}]'),
)
FOLDERS = ("", "board/", "pay/")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("generation") / "home"
    create(root)
    with ExitStack() as stack:
        yield stack.enter_context(opened(root))


@pytest.fixture(scope="module")
def source(bench: Bench) -> Source:
    """Four documents in each of three classes, a month apart, of one to four passages."""
    applied = bench.apply(BY_FOLDER)
    for place, folder in enumerate(FOLDERS):
        for month in range(4):
            paragraphs = [f"Paragraph {number} of {folder} {month} " + "word " * 150 for number in range(month + 1)]
            content = text(f"Title {folder} {month}", *paragraphs).content
            modified = MODIFIED - timedelta(days=30 * month + place)
            bench.origin.files[f"{folder}{month}.md"] = File(content=content, modified=modified)
    bench.sync(applied)
    return applied


@pytest.fixture(scope="module")
def generation(bench: Bench, source: Source) -> Generation:
    return bench.generation(source)


def permit_for(source: Source, class_id: str, *, period: str = "P2Y", days: int = 0) -> Permit:
    return Permit(
        source=source.name,
        class_id=ClassId(class_id),
        policy_hash=source.policy_hash,
        purpose="employee-support",
        period=Period.parse(period),
        at=NOW + timedelta(days=days),
    )


def test_rows_lie_by_class_then_by_anchor_then_by_document(generation: Generation) -> None:
    inventory = generation.inventory
    assert (inventory.documents, inventory.passages) == (12, 30)
    assert [visibility.documents for visibility in inventory.classes] == [(0, 4), (4, 8), (8, 12)]
    assert [visibility.rows for visibility in inventory.classes] == [(0, 10), (10, 20), (20, 30)]
    assert [visibility.id for visibility in inventory.classes] == sorted(one.id for one in inventory.classes)
    assert {visibility.access for visibility in inventory.classes} == {
        Access(allow=frozenset({"group:staff"}), deny=frozenset({"group:contractors"})),
        Access(allow=frozenset({"group:board"}), deny=frozenset({"group:contractors"})),
        Access(allow=frozenset({"group:pay"}), deny=frozenset({"group:temps", "group:contractors"})),
    }
    members = generation.members()
    for first, last in (visibility.documents for visibility in inventory.classes):
        anchors = [member.anchor for member in members[first:last]]
        assert anchors == sorted(anchors)
    starts = [member.start for member in members]
    assert starts == sorted(starts)


def test_every_document_lies_in_the_class_of_its_access(bench: Bench, source: Source, generation: Generation) -> None:
    documents = bench.documents(source)
    members = generation.members()
    assert {member.document for member in members} == set(documents)
    for visibility in generation.inventory.classes:
        for member in members[slice(*visibility.documents)]:
            assert documents[member.document].access == visibility.access
            assert documents[member.document].revision.id == member.revision
            assert documents[member.document].revision.modified == member.anchor


def test_every_row_knows_its_document_and_place(generation: Generation) -> None:
    rows: dict[int, tuple[Member, int]] = {}
    for member in generation.members():
        first, last = generation.rows_of(member.document) or (0, 0)
        rows |= {row: (member, row - first) for row in range(first, last)}
    assert {row: generation.member(row) for row in range(30)} == rows
    assert generation.rows_of(DocumentId("f" * 32)) is None


def test_every_revision_knows_its_rows(bench: Bench, source: Source, generation: Generation) -> None:
    held = {document.revision.id: generation.rows_of(document.id) for document in bench.documents(source).values()}
    assert generation.revisions() == held


@settings(max_examples=200)
@given(data=st.data())
def test_what_permits_open_is_what_looking_at_every_document_gives(
    source: Source, generation: Generation, data: st.DataObject
) -> None:
    members = generation.members()
    classes = [visibility.id for visibility in generation.inventory.classes]
    permits = [
        permit_for(source, class_id, period=data.draw(st.sampled_from(["P1M", "P6M", "P200D", "P2Y"])), days=days)
        for class_id in data.draw(st.lists(st.sampled_from([*classes, "0" * 16]), unique=True))
        for days in [data.draw(st.integers(-400, 800))]
    ]
    strange = data.draw(st.booleans())
    if strange:
        permits.append(replace(permit_for(source, classes[0]), source=SourceName("other")))
    hidden = frozenset(data.draw(st.lists(st.sampled_from([*(m.document for m in members), DocumentId("f" * 32)]))))

    expected: set[int] = set()
    for position, member in enumerate(members):
        for visibility in generation.inventory.classes:
            inside = visibility.documents[0] <= position < visibility.documents[1]
            for permit in permits:
                admitted = permit.source == source.name and permit.class_id == visibility.id
                due = retention.due(member.anchor, permit.period)
                kept = member.anchor <= permit.at + CLOCK_SKEW and due > permit.at
                if inside and admitted and kept and member.document not in hidden:
                    expected |= set(range(*(generation.rows_of(member.document) or (0, 0))))

    ranges = generation.visible(permits, hidden)
    assert [row for first, last in ranges for row in range(first, last)] == sorted(expected)
    assert all(first < last for first, last in ranges)
    # What is visible has one name, whether classes that meet are one range or, with others between them, two.
    rows = [visibility.rows for visibility in generation.inventory.classes]
    apart = [(max(low, first), min(high, last)) for low, high in ranges for first, last in rows]
    assert generation.scope(ranges) == generation.scope([(low, high) for low, high in apart if low < high])

    for row in range(-1, 32):
        if row in expected:
            assert generation.check(row, permits, hidden) == generation.member(row)[0]
        else:
            with pytest.raises(IntegrityError, match="no permit opens"):
                generation.check(row, permits, hidden)

    query = Query(vector=HashEmbedder().embed_query("paragraph word"), terms=("paragraph", "word"))
    found = search(generation, query, within=permits, hidden=hidden, k=40)
    starts = {member.document: member.start for member in members}
    assert {starts[hit.document] + hit.ordinal for hit in found.hits} == expected
    assert found.evidence.visible == len(expected)


def test_no_permit_opens_nothing(generation: Generation) -> None:
    assert generation.visible([], frozenset()) == []


@pytest.fixture
def copied(bench: Bench, source: Source, tmp_path: Path) -> tuple[Path, str]:
    """A copy of the generation's folder, and its digest."""
    registered = bench.registered(source)
    assert registered.generation is not None
    assert registered.generation_digest is not None
    folder = tmp_path / registered.generation
    shutil.copytree(bench.home.generation(source.name, registered.generation), folder)
    return folder, registered.generation_digest


def open_copy(copied: tuple[Path, str], generation: Generation) -> Generation:
    return Generation(generation.id, copied[0], digest=copied[1])


def test_a_flipped_bit_in_any_file_is_refused(copied: tuple[Path, str], generation: Generation) -> None:
    assert open_copy(copied, generation).inventory == generation.inventory
    files = [path for path in copied[0].rglob("*") if path.is_file()]
    assert {str(path.relative_to(copied[0])) for path in files} == {MANIFEST, *generation.inventory.files}
    assert len(files) == 9
    for path in files:
        content = path.read_bytes()
        for place in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
            for bit in (0, 7):
                flipped = bytearray(content)
                flipped[place] ^= 1 << bit
                path.write_bytes(flipped)
                with pytest.raises(IntegrityError, match="damaged or incomplete"):
                    open_copy(copied, generation)
        path.write_bytes(content)
    open_copy(copied, generation)


def test_a_missing_cut_or_longer_file_is_refused(copied: tuple[Path, str], generation: Generation) -> None:
    for path in [path for path in copied[0].rglob("*") if path.is_file()]:
        content = path.read_bytes()
        for other in (content[:-1], content + b"\0", b""):
            path.write_bytes(other)
            with pytest.raises(IntegrityError, match="is not what was written"):
                open_copy(copied, generation)
        path.unlink()
        with pytest.raises(IntegrityError, match="is not what was written"):
            open_copy(copied, generation)
        path.write_bytes(content)


def test_a_manifest_made_to_fit_changed_files_is_refused(copied: tuple[Path, str], generation: Generation) -> None:
    folder, _ = copied
    plain = json.loads((folder / MANIFEST).read_bytes())
    vectors = bytearray((folder / "vectors.bin").read_bytes())
    vectors[-1] ^= 1
    (folder / "vectors.bin").write_bytes(vectors)
    plain["files"]["vectors.bin"] = digest_of(folder / "vectors.bin")
    (folder / MANIFEST).write_text(json.dumps(plain))
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        open_copy(copied, generation)


def test_an_inventory_is_read_back_as_written(generation: Generation) -> None:
    mirrored = [
        replace(visibility, access=replace(visibility.access, as_of=NOW)) for visibility in generation.inventory.classes
    ]
    for inventory in (generation.inventory, replace(generation.inventory, classes=tuple(mirrored))):
        assert load_inventory(dump_inventory(inventory)) == inventory


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_survive_as_microseconds(time: datetime) -> None:
    assert time_of(microseconds_of(time)) == time
