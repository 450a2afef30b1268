import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from indexer.generation import MANIFEST, Generation
from indexer.shelf import REMEMBERED_S, Shelf
from policies.errors import IntegrityError
from policies.manifest import Source
from policies.model import GenerationId
from tests.indexer.copies import copied
from tests.indexer.workbench import Bench, text


@pytest.fixture
def bench(blank: Path, tmp_path: Path) -> Iterator[Bench]:
    with copied(blank, tmp_path / "home") as made:
        made.origin.files = {"leave.md": text("Leave", "Twenty five days a year.")}
        yield made


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.sync(applied)
    return applied


def test_an_index_is_opened_once_and_swapped_when_another_one_serves(bench: Bench, source: Source) -> None:
    shelf = Shelf(home=bench.home)
    first = shelf.generation(bench.registered(source))
    assert first is not None
    assert shelf.generation(bench.registered(source)) is first
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    bench.sync(source)
    second = shelf.generation(bench.registered(source))
    assert second is not None
    assert second.id == bench.registered(source).generation != first.id


def test_before_anything_was_published_there_is_no_index(bench: Bench) -> None:
    assert Shelf(home=bench.home).generation(bench.registered(bench.apply())) is None


def test_a_damaged_index_is_not_put_on_the_shelf(bench: Bench, source: Source) -> None:
    registered = bench.registered(source)
    shelf = Shelf(home=bench.home)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            shelf.generation(replace(registered, generation_digest="0" * 64))
    assert shelf.generation(registered) is not None


def test_an_index_that_takes_long_to_open_keeps_nobody_from_another(bench: Bench, source: Source) -> None:
    other = bench.apply(("source: hr-handbook", "source: other"))
    bench.sync(other)
    registered = bench.registered(source)
    assert registered.generation is not None
    manifest = bench.home.generation(source.name, registered.generation) / MANIFEST
    content = manifest.read_bytes()
    manifest.unlink()
    os.mkfifo(manifest)
    shelf = Shelf(home=bench.home)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(shelf.generation, registered)
        with manifest.open("wb") as writer:  # opens when the other end is read, which then waits for the end
            quick = threads.submit(shelf.generation, bench.registered(other)).result(timeout=10)
            assert quick is not None
            assert quick.inventory.source == other.name
            assert not slow.done()
            writer.write(content)
        held = slow.result(timeout=30)
    assert held is not None
    assert shelf.generation(registered) is held


def test_those_who_wait_for_one_index_open_it_once(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[GenerationId] = []
    waiting = Barrier(4)

    def opening(generation: GenerationId, folder: Path, *, digest: str) -> Generation:
        opened.append(generation)
        time.sleep(0.1)
        return Generation(generation, folder, digest=digest)

    def asked(_: int) -> Generation | None:
        waiting.wait(30)
        return shelf.generation(registered)

    monkeypatch.setattr("indexer.shelf.Generation", opening)
    shelf, registered = Shelf(home=bench.home), bench.registered(source)
    with ThreadPoolExecutor(4) as threads:
        held = list(threads.map(asked, range(4)))
    assert opened == [registered.generation]
    assert held == [held[0]] * 4


def test_a_damaged_index_is_not_read_again_for_each_who_asks(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("indexer.shelf.monotonic", lambda: now)
    shelf, registered = Shelf(home=bench.home), bench.registered(source)
    assert registered.generation is not None
    manifest = bench.home.generation(source.name, registered.generation) / MANIFEST
    content = manifest.read_bytes()
    manifest.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(IntegrityError, match="damaged") as damaged:
            shelf.generation(registered)
        assert damaged.value.mend
        manifest.write_bytes(content)
    now += REMEMBERED_S
    assert shelf.generation(registered) is not None
