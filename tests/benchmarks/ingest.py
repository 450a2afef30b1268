"""How fast documents are taken in, beside embedding alone and beside LangChain with Chroma on the same files.

    python -m tests.benchmarks.ingest [DIR] [--documents 80] [--rounds 4] [--peer PYTHON] [--languages en]

The files of DIR, or as many made from the sample company, are dealt into rounds. In each round every row takes its
turn with the same files: Penstock's whole ingestion, as syncs of a filesystem source with the real models, once with
pattern redaction of identifiers and once in the profile `balanced`; embedding alone, of the very passages that the
first of these made, by the same embedder; and the peer. Starting, loading and a first document are not in the rows.

The peer runs in an environment of its own, named by --peer and made by (torch with the version that Penstock uses):

    python -m venv PEER && PEER/bin/pip install torch==2.13.0 sentence-transformers==6.2.0 "langchain-community>=0.4" \
        "langchain-chroma>=1" "langchain-text-splitters>=1" "unstructured[docx,md,pptx]" docx2txt pypdf pypdfium2 bs4

It does no redaction, keeps no key, no audit and no record of what it did. At its defaults the model reads only the
beginning of its pieces: hence the column of tokens read. Its rows come with one torch thread, as Penstock has, and
with torch's own number where that is another.

Bound: with pattern redaction at least 80 % of the passages a second of embedding alone, by the clock and by processor
time. Where others use the processors too, the latter is the steadier.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Literal

from gateway import settings
from gateway.wiring import EMBEDDING_THREADS, Installation, create_installation, open_installation
from indexer import catalog
from indexer.content import open_text
from indexer.embed import MAX_TOKENS, locate_model
from indexer.joblog import JobKind, JobState
from indexer.master import create_master_key
from indexer.passages import SPECIAL_TOKENS
from indexer.tables import DocumentState
from indexer.worker import Worker
from policies.model import SourceName
from tests.benchmarks import corpus
from tests.benchmarks.stopwatch import STAGES, Spent, Stopwatch
from tests.evidence.running import ACTOR, applied

MIN_SHARE = 0.8
PEER = Path(__file__).with_name("peer.py")
LANGCHAIN = "langchain"
PATTERNS, BALANCED, ALONE = "penstock identifiers", "penstock balanced", "embedding alone"
MANIFEST = """
source: {name}
title: Benchmark
owner: bench@example.com
state: active
serving: on
connector: {{kind: filesystem, root: {folder}, include: ["**/*"]}}
policy:
  controller: Example
  regime: us
  lawful_basis: {{basis: contract, reference: BENCH}}
  special_categories: none
  purposes: [bench]
  retention: {{period: P2Y, from: modified}}
  residency: {{store: [us], process: [us], serve: [us], transfers: []}}
  access: {{allow: [group:all]}}
  redaction: {{profile: {profile}, languages: [{languages}]}}
  contract: {{processor_agreement: own operation}}
  customer: {{name: Example, contract: BENCH, sector: none}}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of some files, and what it took. `tokens` are those of the passages, `tokens_read` the model's."""

    documents: int
    refused: int
    passages: int
    tokens: int
    tokens_read: int
    wall_s: float
    cpu_s: float

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


NOTHING = Taken(documents=0, refused=0, passages=0, tokens=0, tokens_read=0, wall_s=0.0, cpu_s=0.0)


def main() -> int:
    """Run the benchmark; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR")
    parser.add_argument("--documents", type=int, default=80, help="to make where there is no DIR")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--peer", type=Path, metavar="PYTHON")
    parser.add_argument("--languages", default="en", help="of the documents, such as en or fr,en")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as temporary:
        folder = Path(temporary)
        rounds = _dealt(given.folder or _made(folder, given.documents), folder, given.rounds)
        rows, stages, start_s = _run(folder, rounds, given.peer, given.languages)
    return _report(rows, stages, start_s)


def _made(folder: Path, documents: int) -> Path:
    made = folder / "made"
    made.mkdir()
    corpus.write(made, documents)
    return made


def _dealt(origin: Path, folder: Path, rounds: int) -> list[Path]:
    """The files below a folder, copied in turn into folders that are flat; first one with a single file."""
    files = sorted(path for path in origin.rglob("*") if path.is_file())
    hands = [files[:1], *(files[number::rounds] for number in range(rounds))]
    dealt = []
    for number, hand in enumerate(hands):
        target = folder / f"round-{number}"
        target.mkdir()
        for place, path in enumerate(hand):
            shutil.copyfile(path, target / f"{place:05}-{path.name}")
        dealt.append(target)
    return dealt


def _run(
    folder: Path, rounds: Sequence[Path], python: Path | None, languages: str
) -> tuple[dict[str, Taken], dict[str, Spent], float]:
    """Every row over all rounds but the first, the stages of Penstock's rows, and the seconds of its first round."""
    chosen = settings.load({"PENSTOCK_HOME": str(folder / "home")})
    create_master_key(folder / "master.key")
    create_installation(chosen, store_region="us")
    with ExitStack() as opened:
        installation = opened.enter_context(open_installation(chosen))
        penstock = _Penstock(
            installation=installation,
            worker=opened.enter_context(installation.worker()),
            stopwatch=opened.enter_context(Stopwatch()),
            folder=folder,
            languages=languages,
        )
        peers = opened.enter_context(_peers(python)) if python else {}
        turns: dict[str, Callable[[Path], Taken]] = {
            PATTERNS: partial(penstock.take, profile="identifiers"),
            ALONE: penstock.embed,
            BALANCED: partial(penstock.take, profile="balanced"),
            **peers,
        }
        start_s = turns[PATTERNS](rounds[0]).wall_s
        for turn in (penstock.embed, *peers.values()):
            turn(rounds[0])
        penstock.spent.clear()
        rows = dict.fromkeys(turns, NOTHING)
        for number, files in enumerate(rounds[1:], start=1):
            for name in (
                [PATTERNS, ALONE, BALANCED, *peers] if number % 2 else [*reversed(peers), BALANCED, PATTERNS, ALONE]
            ):
                print(f"round {number} of {len(rounds) - 1}: {name}", file=sys.stderr)
                rows[name] += turns[name](files)
    return rows, penstock.spent, start_s


@dataclass(frozen=True, kw_only=True)
class _Penstock:
    """Takes folders in, each as a source of its own in one home. `spent` is what that took, by profile."""

    installation: Installation
    worker: Worker
    stopwatch: Stopwatch
    folder: Path
    languages: str
    spent: dict[str, Spent] = field(default_factory=dict)

    def take(self, files: Path, profile: str) -> Taken:
        """A sync from its beginning until what it found is searchable."""
        name = f"{files.name}-{profile}"
        manifest = MANIFEST.format(name=name, folder=files.name, profile=profile, languages=self.languages)
        source = applied(self.installation, manifest, self.folder)
        with self.stopwatch.measuring() as spent:
            job = self.worker.run(JobKind.SYNC, source.name, actor=ACTOR, options={}, watch=lambda _: None)
        if job.state is not JobState.FINISHED:
            raise SystemExit(f"The sync ended {job.state}: {job.failure}")
        took = spent()
        self.spent[profile] = self.spent[profile] + took if profile in self.spent else took
        texts = self._texts(source.name)
        return self._taken(texts, took, indexed=job.tally.get("indexed", 0), refused=job.tally.get("quarantined", 0))

    def embed(self, files: Path) -> Taken:
        """The passages that taking the same files made, embedded document by document and nothing else."""
        texts = self._texts(SourceName(f"{files.name}-identifiers"))
        with self.stopwatch.measuring() as spent:
            for passages in texts:
                self.installation.stages.embedder.embed_document(passages)
        return self._taken(texts, spent(), indexed=len(texts), refused=0)

    def _texts(self, source: SourceName) -> list[list[str]]:
        """What was embedded, by document; a text that a document holds twice is embedded once."""
        with self.installation.database.reading() as session:
            documents = catalog.documents(session, source).values()
            revisions = [each.revision.id for each in documents if each.state is DocumentState.INDEXED]
            stored = {revision: list(catalog.passages(session, revision)) for revision in revisions}
        keys = self.installation.keyring.document_keys(revisions)
        return [
            list(
                dict.fromkeys(
                    open_text(keys[revision], revision, passage.ordinal, passage.text).indexed_text
                    for passage in passages
                )
            )
            for revision, passages in stored.items()
        ]

    def _taken(self, texts: Sequence[Sequence[str]], spent: Spent, *, indexed: int, refused: int) -> Taken:
        counts = [count + SPECIAL_TOKENS for passages in texts for count in self.installation.stages.tokens(passages)]
        return Taken(
            documents=indexed,
            refused=refused,
            passages=len(counts),
            tokens=sum(counts),
            tokens_read=sum(min(count, MAX_TOKENS) for count in counts),
            wall_s=spent.wall_s,
            cpu_s=spent.cpu_s,
        )


@contextmanager
def _peers(python: Path) -> Iterator[dict[str, Callable[[Path], Taken]]]:
    """The peer's rows, answered by a process of its own until the block ends."""
    process = subprocess.Popen([str(python), str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    requests, answers = process.stdin, process.stdout
    if requests is None or answers is None:
        raise SystemExit("the peer has no pipes")

    def ask(files: Path, configuration: str, threads: int | None) -> Taken:
        request = {"folder": str(files), "configuration": configuration, "threads": threads, "model": str(model)}
        print(json.dumps(request), file=requests, flush=True)
        answer = answers.readline()
        if not answer:
            raise SystemExit(f"the peer ended with {process.wait()}")
        return Taken(**json.loads(answer))

    model = locate_model(None)
    try:
        yield {
            f"{LANGCHAIN} {configuration}, {label}": partial(ask, configuration=configuration, threads=threads)
            for configuration in ("defaults", "configured")
            for threads, label in ((EMBEDDING_THREADS, "1 thread"), (None, "its threads"))
        }
    finally:
        requests.close()
        process.wait()


def _report(rows: Mapping[str, Taken], stages: Mapping[str, Spent], start_s: float) -> int:
    columns = ("documents", "refused", "passages", "wall s", "CPU s", "doc/s", "pass/s", "kTok/s", "doc/CPU s", "read")
    print(f"{'':34}" + "".join(f"{column:>10}" for column in columns))
    for name, row in rows.items():
        print(
            f"{name:34}{row.documents:10}{row.refused:10}{row.passages:10}{row.wall_s:10.1f}{row.cpu_s:10.1f}"
            f"{row.documents / row.wall_s:10.2f}{row.passages / row.wall_s:10.2f}"
            f"{row.tokens_read / row.wall_s / 1000:10.2f}{row.documents / row.cpu_s:10.2f}"
            f"{row.tokens_read / row.tokens:10.0%}"
        )
    if not any(name.startswith(LANGCHAIN) for name in rows):
        print(f"{LANGCHAIN} not run: see --peer")
    print(f"\nStarting and one document: {start_s:.1f} s. Share of each stage in the wall clock of the syncs:\n")
    print(f"{'':12}" + "".join(f"{stage:>10}" for stage in (*STAGES, "job")))
    for profile, spent in stages.items():
        parts = [spent.stages_s[stage] / spent.wall_s for stage in STAGES]
        print(f"{profile:12}" + "".join(f"{part:10.1%}" for part in (*parts, 1 - sum(parts))))
    shares = {name: _times(rows[name], rows[ALONE], "passages") for name in (PATTERNS, BALANCED)}
    ratios = {
        name: _times(rows[PATTERNS], row, "documents") for name, row in rows.items() if name.startswith(LANGCHAIN)
    }
    print("\nPassages a second of embedding alone, by the clock and by processor time:")
    for name, share in shares.items():
        print(f"  {name:34}{share['wall']:8.1%}{share['cpu']:8.1%}")
    print(f"Documents a second of {PATTERNS!r} in those of a row:")
    for name, ratio in ratios.items():
        print(f"  {name:34}{ratio['wall']:8.2f}{ratio['cpu']:8.2f}")
    bounds = {
        "patterns_at_least_80_percent_of_embedding_by_the_clock": shares[PATTERNS]["wall"] >= MIN_SHARE,
        "patterns_at_least_80_percent_of_embedding_by_processor_time": shares[PATTERNS]["cpu"] >= MIN_SHARE,
    }
    figures = {
        "rows": {name: asdict(row) for name, row in rows.items()},
        "stages": {profile: asdict(spent) for profile, spent in stages.items()},
        "start_s": start_s,
        "share_of_embedding": shares,
        "times_the_documents_a_second_of": ratios,
        "bounds": bounds,
    }
    print(json.dumps(figures))
    return 0 if all(bounds.values()) else 1


def _times(row: Taken, other: Taken, what: Literal["documents", "passages"]) -> dict[str, float]:
    """How many times as fast one row is as another, by the clock and by processor time."""
    one, two = getattr(row, what), getattr(other, what)
    return {"wall": (one / row.wall_s) / (two / other.wall_s), "cpu": (one / row.cpu_s) / (two / other.cpu_s)}


if __name__ == "__main__":
    sys.exit(main())
