"""The restore drill: what a backup brings back, and what it cannot bring back any more.

Catalog, keyring and master key are backed up apart; indexes never are. What is purged later stays gone, whichever
backup of the catalog is restored, for as long as the present keyring is.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys.penstock import Penstock, links
from tests.journeys.samples import CANTEEN, DOCUMENTS, LEAVE

pytestmark = pytest.mark.only("sqlite")
FINDINGS, REFUSED = 1, 2
MONTH_S = 30 * 24 * 3600


@dataclass(frozen=True)
class Backup:
    """What an operator keeps elsewhere: `home.json` with the catalog, and, apart from it, the keyring."""

    folder: Path

    @classmethod
    def of(cls, penstock: Penstock, folder: Path) -> "Backup":
        for part in ("catalog", "keyring"):
            (folder / part).mkdir(parents=True)
        for name in ("home.json", "catalog.db"):
            shutil.copy(penstock.home / name, folder / "catalog")
        shutil.copy(penstock.home / "keyring" / "keyring.db", folder / "keyring")
        return cls(folder)

    def restored(self, penstock: Penstock, folder: Path, *, keyring: "Backup | None") -> Penstock:
        """A home in another folder with this catalog, and the keyring of a backup, if there is one."""
        restored = Penstock(folder=folder, nursery=penstock.nursery)
        shutil.copytree(self.folder / "catalog", restored.home)
        shutil.copy(penstock.key_file, restored.key_file)
        if keyring:
            shutil.copytree(keyring.folder / "keyring", restored.home / "keyring")
        return restored


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A home that was lost, and its backups from before one of the documents was purged, and from after."""

    lost: Penstock
    key: str
    before: Backup
    after: Backup


@pytest.fixture(scope="module")
def drill(settled: Penstock, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    folder = tmp_path_factory.mktemp("drill")
    penstock = Penstock(folder=folder / "lost", nursery=settled.nursery)
    shutil.copytree(settled.folder, penstock.folder)
    aged = penstock.documents / "canteen.md"
    os.utime(aged, (aged.stat().st_mtime - MONTH_S,) * 2)
    penstock.must("apply", penstock.manifest, "--yes")
    penstock.must("sync", "notes")
    key = penstock.key("staff")
    before = Backup.of(penstock, folder / "before")
    manifest = penstock.manifest.read_text("utf-8")
    penstock.manifest.write_text(manifest.replace("period: P2Y", "period: P7D"), "utf-8")
    penstock.must("apply", penstock.manifest, "--yes")
    penstock.must("purge", "run", "notes", "--yes")
    # The document is still at its origin, and young enough again: only its tombstone keeps it out.
    penstock.manifest.write_text(manifest, "utf-8")
    penstock.must("apply", penstock.manifest, "--yes")
    after = Backup.of(penstock, folder / "after")
    shutil.rmtree(penstock.home)
    return Drill(lost=penstock, key=key, before=before, after=after)


def test_a_home_that_was_lost_is_restored_and_what_was_purged_stays_gone(drill: Drill, tmp_path: Path) -> None:
    penstock = drill.after.restored(drill.lost, tmp_path, keyring=drill.after)
    assert "1 of 1 findings are mended." in penstock.must("verify", "--repair").err
    penstock.must("sync", "notes")
    found = links(penstock.answer("When does the canteen serve soup?", drill.key))
    assert set(found) == {"file:leave.md", "file:parking.md"}
    penstock.must("audit", "verify")


def test_an_older_catalog_brings_nothing_back_that_was_purged(drill: Drill, tmp_path: Path) -> None:
    penstock = drill.before.restored(drill.lost, tmp_path, keyring=drill.after)
    penstock.run("verify", "--repair")
    penstock.must("sync", "notes")
    assert penstock.status()["indexed"] == len(DOCUMENTS) - 1
    # That it is older than what was anchored is no fault to mend, and stays to be seen.
    findings = penstock.run("verify", "--json").json()
    assert {finding["fault"] for finding in findings} == {"audit"}
    assert any("anchored" in finding["what"] for finding in findings)


def test_a_catalog_without_its_keyring_tells_nobody_anything(drill: Drill, tmp_path: Path) -> None:
    penstock = drill.before.restored(drill.lost, tmp_path, keyring=None)
    for command in (("status",), ("verify", "--repair")):
        done = penstock.run(*command)
        assert (done.code, done.out) == (REFUSED, "")
        assert "The keyring" in done.err
        assert "restore it from its backup" in done.err
    raw = b"".join(path.read_bytes() for path in penstock.home.rglob("*") if path.is_file())
    for text in (*LEAVE.split(), *CANTEEN.split(), "leave.md", "canteen.md"):
        assert len(text) < 6 or text.encode() not in raw, text


def test_an_older_keyring_is_found_because_it_has_not_every_tombstone(drill: Drill, tmp_path: Path) -> None:
    penstock = drill.after.restored(drill.lost, tmp_path, keyring=drill.before)
    done = penstock.run("audit", "verify")
    assert (done.code, "an older keyring was put back" in done.out) == (FINDINGS, True)
