"""What a second look costs: a source synced, synced again unchanged, and again with one document changed.

    python -m tests.evidence.resync [--documents 5000] [--passages 1] [--real] [--sample 100]

A folder of documents, of one passage each or as many as --passages says, is taken in by durable jobs. Without --real,
stand-ins read and embed them: the first sync is then many times faster than with the real parser and models, and its
twentieth part is harder to keep to. What the share would be of a real first sync is estimated from --sample documents
through the real ones. With --real everything is real, and the first sync takes as long as that.

Bounds: what did not change is neither fetched, parsed nor embedded, and takes at most 5 % of the first sync's time; of
one changed document nothing else is parsed, and a search finds it within 10 seconds of the change.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway import settings
from gateway.lookup import Lookup, Opened, Question
from gateway.wiring import Installation, clock, create_installation, open_installation
from indexer import catalog
from indexer.joblog import Job
from indexer.master import create_master_key
from policies.manifest import Source
from policies.model import Caller, DocumentId
from tests.benchmarks.stopwatch import STAGES, Spent, Stopwatch
from tests.evidence.crashing.world import WORDS
from tests.evidence.running import applied, synced
from tests.indexer.workbench import FakeStages

MAX_SHARE = 0.05
MAX_FOUND_S = 10.0
NEEDLE = "kittiwake"
MANIFEST = """
source: evidence
title: Evidence
owner: evidence@example.com
state: active
serving: on
connector: {kind: filesystem, root: documents, include: ["**/*.txt"]}
policy:
  controller: Example
  regime: us
  lawful_basis: {basis: contract, reference: EVIDENCE}
  special_categories: none
  purposes: [evidence]
  retention: {period: P2Y, from: modified}
  residency: {store: [us], process: [us], serve: [us], transfers: []}
  access: {allow: [group:all]}
  redaction: {profile: balanced, languages: [en]}
  contract: {processor_agreement: own operation}
  customer: {name: Example, contract: EVIDENCE, sector: none}
"""
CALLER = Caller(subject="evidence", groups=frozenset({"all"}), purposes=frozenset({"evidence"}), region="us")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Real syncs of a few documents: of one, of the others, and of nothing new. Seconds of wall clock."""

    documents: int
    start_s: float
    rest_s: float
    unchanged_s: float

    def first_sync_s(self, documents: int) -> float:
        """How long a real first sync of so many documents takes."""
        return self.start_s + documents * (self.rest_s - self.unchanged_s) / (self.documents - 1)


def main() -> int:
    """Measure; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--passages", type=int, default=1, help="in each document")
    parser.add_argument("--real", action="store_true", help="the real parser and models")
    parser.add_argument("--sample", type=int, default=100, help="documents of the estimate; 0 for none")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    with Stopwatch() as stopwatch:
        sample = None if given.real or given.sample < 2 else _sample(stopwatch, given.sample, given.passages)
        with _installed(given.documents, given.passages, real=given.real) as (installation, source, folder):
            rows = {"first": _synced(stopwatch, installation, source)}
            rows["unchanged"] = _synced(stopwatch, installation, source)
            changed = folder / f"{given.documents // 2}.txt"
            document = installation.keyring.document_id(source.name, changed.name)
            lookup = installation.lookup()
            # As in a process that serves, the index is open already that was published before the change.
            early = _finds(installation, lookup, source, document)
            began = time.perf_counter()
            changed.write_text(changed.read_text() + f"\nThe {NEEDLE} is what changed.\n")
            rows["changed"] = _synced(stopwatch, installation, source)
            found = not early and _finds(installation, lookup, source, document)
            found_s = time.perf_counter() - began if found else None
    return _report(given.documents, given.passages, rows, sample, found_s)


@contextmanager
def _installed(documents: int, passages: int, *, real: bool) -> Iterator[tuple[Installation, Source, Path]]:
    """A fresh home with a source of so many documents, none of them taken in yet, and the folder they lie in."""
    with tempfile.TemporaryDirectory(prefix="penstock-resync-") as temporary:
        folder = Path(temporary) / "documents"
        folder.mkdir()
        _write(folder, range(documents), passages)
        chosen = settings.load({"PENSTOCK_HOME": str(Path(temporary) / "home")})
        create_master_key(Path(temporary) / "master.key")
        create_installation(chosen, store_region="us")
        with open_installation(chosen) as installation:
            # What is replaced is what reads, redacts and embeds; jobs, catalog, keyring and index are the real ones.
            used = installation if real else replace(installation, stages=FakeStages())  # type: ignore[arg-type]
            yield used, applied(used, MANIFEST, Path(temporary)), folder


def _sample(stopwatch: Stopwatch, documents: int, passages: int) -> Sample:
    with _installed(1, passages, real=True) as (installation, source, folder):
        start = _synced(stopwatch, installation, source)
        _write(folder, range(1, documents), passages)
        rest = _synced(stopwatch, installation, source)
        unchanged = _synced(stopwatch, installation, source)
    return Sample(
        documents=documents,
        start_s=start.spent.wall_s,
        rest_s=rest.spent.wall_s,
        unchanged_s=unchanged.spent.wall_s,
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sync: what it says it did, and what it took from its start, the worker's included."""

    tally: Mapping[str, int]
    spent: Spent

    @property
    def others_s(self) -> float:
        """What is of no stage: starting, and the steps of the job."""
        return self.spent.wall_s - sum(self.spent.stages_s.values())


def _synced(stopwatch: Stopwatch, installation: Installation, source: Source) -> Row:
    with stopwatch.measuring() as spent:
        job: Job = synced(installation, source)
    return Row(tally=job.tally, spent=spent())


def _finds(installation: Installation, lookup: Lookup, source: Source, document: DocumentId) -> bool:
    """Whether a search for what changed has the changed document first."""
    with installation.database.reading() as session:
        opened = lookup.open(session, catalog.require(session, source.name), CALLER, "evidence", clock())
    if not isinstance(opened, Opened):
        raise SystemExit(f"nothing may be searched: {opened}")
    hits = lookup.look(opened, Question(text=NEEDLE), k=1).hits
    return [hit.document for hit in hits] == [document]


def _write(folder: Path, numbers: range, passages: int) -> None:
    """Documents that are all different, of some 700 characters for each passage."""
    for number in numbers:
        chance = random.Random(number)  # noqa: S311 - the same documents each time, not a secret
        paragraphs = (
            " ".join(" ".join(chance.choices(WORDS, k=10)).capitalize() + "." for _ in range(3))
            for _ in range(4 * passages)
        )
        (folder / f"{number}.txt").write_text("\n\n".join([f"Document {number}", *paragraphs]))


def _report(
    documents: int, passages: int, rows: Mapping[str, Row], sample: Sample | None, found_s: float | None
) -> int:
    columns = ("wall s", "CPU s", "fetched", "parsed", "embedded", *STAGES, "others")
    print(f"{documents} documents of {passages} passages; seconds of wall clock by stage\n")
    print(f"{'sync':10}" + "".join(f"{column:>9}" for column in columns))
    for name, row in rows.items():
        spent = row.spent
        counts = "".join(f"{spent.calls[stage]:9}" for stage in ("fetch", "parse", "embed"))
        stages = "".join(f"{spent.stages_s[stage]:9.2f}" for stage in STAGES)
        print(f"{name:10}{spent.wall_s:9.2f}{spent.cpu_s:9.2f}{counts}{stages}{row.others_s:9.2f}")
    first, unchanged, changed = rows["first"], rows["unchanged"], rows["changed"]
    share = unchanged.spent.wall_s / first.spent.wall_s
    print(f"\nunchanged: {share:.1%} of the first sync (at most {MAX_SHARE:.0%})")
    real_share = unchanged.spent.wall_s / sample.first_sync_s(documents) if sample else None
    if sample:
        print(
            f"a first sync with the real models would take {sample.first_sync_s(documents):.0f} s by a sample of "
            f"{sample.documents}: {real_share:.2%} of it"
        )
    print(f"the changed document is found {f'{found_s:.1f} s' if found_s else 'not'} after the change")
    untouched = [unchanged.spent.calls[stage] for stage in ("fetch", "parse", "embed")]
    bounds = {
        "all_indexed": first.tally.get("indexed") == documents,
        "unchanged_neither_fetched_parsed_nor_embedded": untouched == [0, 0, 0],
        "unchanged_at_most_5_percent": share <= MAX_SHARE,
        "only_the_changed_parsed": changed.spent.calls["parse"] == 1,
        "changed_found_within_10_s": found_s is not None and found_s <= MAX_FOUND_S,
    }
    figures = {name: {"tally": dict(row.tally), **asdict(row.spent)} for name, row in rows.items()}
    print(
        json.dumps(
            {
                "documents": documents,
                "passages_of_each": passages,
                "syncs": figures,
                "share": share,
                "share_of_real": real_share,
                "sample": asdict(sample) if sample else None,
                "found_s": found_s,
                "bounds": bounds,
            }
        )
    )
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
