"""Homes that tests copy: one is made and worked on once, and each test gets its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests import catalogs
from tests.indexer.workbench import Bench, FakeOrigin, File, opened

FURTHER = 2**40
"""The first id of a copy of a home in which ids were given already."""


@contextmanager
def copied(blank: Path, folder: Path) -> Iterator[Bench]:
    """A copy of a new home, open until the block ends. All copies have the same keys."""
    catalogs.copy_home(blank, folder)
    with opened(folder) as bench:
        yield bench


@dataclass(frozen=True, kw_only=True)
class Template:
    """A home on which something was done, closed, with what its origin held then and the time it was."""

    home: Path
    files: Mapping[str, File]
    now: datetime

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Bench]:
        """A copy of it with such an origin, open until the block ends. All copies have the same keys."""
        catalogs.copy_home(self.home, folder)
        with opened(folder, origin=FakeOrigin(files=dict(self.files)), now=self.now, first_id=FURTHER) as bench:
            yield bench


@contextmanager
def worked_on(blank: Path, folder: Path, work: Callable[[Bench], object]) -> Iterator[Template]:
    """What is left of a new home after this work, until the block ends."""
    with copied(blank, folder / "home") as bench:
        work(bench)
    yield Template(home=folder / "home", files=bench.origin.files, now=bench.clock())
    catalogs.drop(folder)
