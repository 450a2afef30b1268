"""What a change of the index does to a calibrated source, through sync, erasure, replay and answers.

    python -m tests.evidence.drift FOLDER [--documents N] [--questions N] [--languages en]

FOLDER holds corpus.jsonl, queries.jsonl and qrels.tsv. The source takes in so many of its documents and is calibrated
with so many questions, half of which ask for what was left out. Then one document goes (nothing must become stale),
and the 5 % come that were kept back; then 40 % of all are deleted at the origin. The next answer is asked for while
such a sync works, and must be `stale`; when it has published, the questions were asked again. What it says after the
deletion is compared with the truth on other questions, once by the model from before and once by the one there is. In
the end the same share is erased, of which the questions are asked again only when the receipt is signed. Bounds:
`stale` before the next answer, `calibrated` or `certified` after each change, and a calibration error of at most 0.05
on those others, or within the 95th percentile of that of a perfect model where there are too few of them to show 0.05.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from connectors.registry import connector
from gateway import calibrate as fitting
from gateway import settings
from gateway.answer import RetrievalRequest
from gateway.calibrate import Golden, Kept, Observation, Questions, Saved, figures, probabilities
from gateway.confidence import Model, shipped
from gateway.lookup import Opened
from gateway.wiring import Installation, clock, create_installation, new_id, open_installation
from indexer import calibrations, catalog, erase, joblog, sync
from indexer.database import Database
from indexer.extent import extent
from indexer.joblog import JobId, JobKind
from indexer.master import create_master_key
from indexer.workshop import Settle, Workshop
from policies.manifest import Source
from policies.model import Caller
from policies.purge import ErasureRequest
from tests.evidence import retrieval
from tests.evidence.confidence.folder import rows
from tests.evidence.confidence.questions import labelled
from tests.evidence.running import ACTOR, applied, synced

SEED = 0
LATE = 0.05
DELETED = 0.4
MAX_ECE = 0.05
OTHERS = 1000
"""Chosen: of so many a perfect model's calibration error stays below 0.05."""
PURPOSE = "evidence"
ASKING = Caller(subject="evidence", groups=frozenset({"all"}), purposes=frozenset({PURPOSE}), region="us")


@dataclass(frozen=True, kw_only=True, slots=True)
class Drifted:
    """What was seen, step by step.

    `replay_s` is the time that publishing took more by asking `questions` again; `before` and `after` are the figures
    on `others`, questions that nothing was fitted on, of the model from before the deletion and of the one behind it.
    """

    documents: int
    passages: int
    questions: int
    others: int
    statuses: Mapping[str, str]
    replay_s: float
    before: Mapping[str, float]
    after: Mapping[str, float]

    def holds(self) -> bool:
        """Whether every bound does."""
        allowed = max(MAX_ECE, self.after["ece_null_95"])
        stale = {step for step, status in self.statuses.items() if status == "stale"}
        usual = {self.statuses[step] for step in self.statuses if step not in stale}
        return (
            self.after["ece"] <= allowed and stale == {"deleting", "erasing"} and usual <= {"calibrated", "certified"}
        )


def main() -> int:
    """Measure one set; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1000, help="so many are taken in at the most")
    parser.add_argument("--questions", type=int, default=800, help="that it is calibrated with")
    parser.add_argument("--languages", default="en", help="of the set, such as en or fr,en")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    found = measure(given.folder, documents=given.documents, questions=given.questions, languages=given.languages)
    for step, status in found.statuses.items():
        print(f"{step:<12}{status}")
    for name in ("auroc", "brier", "ece", "ece_null_95", "base_rate"):
        print(f"{name:<12}{found.before[name]:>8.3f} by the model from before, {found.after[name]:>6.3f} after replay")
    print(f"{found.questions} questions asked again in {found.replay_s:.1f} s")
    holds = found.holds()
    plain = {name: getattr(found, name) for name in found.__slots__}
    print(json.dumps({"set": given.folder.name, **plain, "holds": holds}))
    return 0 if holds else 1


def measure(folder: Path, *, documents: int, questions: int, languages: str = "en") -> Drifted:
    """What becomes of a set's confidence when 40 % of its documents go."""
    corpus = rows(folder / "corpus.jsonl")
    random.Random(SEED).shuffle(corpus)  # noqa: S311 - a sample, no secret
    # Some of what is asked for is never there.
    there = corpus[: min(documents, len(corpus) * 3 // 4)]
    asked = _asked(folder, {row["id"] for row in there})
    with tempfile.TemporaryDirectory(prefix="penstock-evidence-") as temporary:
        place = Path(temporary) / "documents"
        names = retrieval.write_documents(there, place)
        late = _kept_back(place, Path(temporary) / "late")
        chosen = settings.load({"PENSTOCK_HOME": str(Path(temporary) / "home")})
        create_master_key(Path(temporary) / "master.key")
        create_installation(chosen, store_region="us")
        with open_installation(chosen) as installation:
            source = applied(installation, retrieval.manifest("none", languages), place)
            synced(installation, source)
            golden = [
                Golden(query=text, documents=tuple(f"{names[one]}.html" for one in sorted(relevant) if one in names))
                for text, relevant in asked
            ]
            drift = _Drift(installation, source, place, golden[:questions], golden[questions : questions + OTHERS])
            return drift.run(late)


def _kept_back(place: Path, away: Path) -> list[Path]:
    """Move some of the documents away, at random, and tell where they are."""
    away.mkdir()
    files = sorted(place.glob("*.html"))
    some = random.Random(SEED).sample(files, int(len(files) * LATE))  # noqa: S311 - a sample, no secret
    return [path.rename(away / path.name) for path in some]


def _asked(folder: Path, there: set[str]) -> list[tuple[str, frozenset[str]]]:
    """Questions, shuffled: as many that have their answer there as have it in what was left out."""
    every = labelled(folder, seed=SEED)
    here = [one for one in every if one[1] & there]
    away = [one for one in every if one[1] and not one[1] & there]
    number = min(len(here), len(away))
    both = here[:number] + away[:number]
    random.Random(SEED).shuffle(both)  # noqa: S311 - a sample, no secret
    return both


class _Drift:
    """One source on its way."""

    def __init__(
        self,
        installation: Installation,
        source: Source,
        place: Path,
        golden: Sequence[Golden],
        others: Sequence[Golden],
    ) -> None:
        self._installation = installation
        self._source = source
        self._place = place
        self._lookup = installation.lookup()
        self._gateway = installation.retrieval()
        self._questions = Questions(
            subject="evidence", groups=("all",), purpose=PURPOSE, region="us",
            asked=fitting.keep(installation.keyring, source.name, golden),
        )  # fmt: skip
        self._others = fitting.keep(installation.keyring, source.name, others)
        self._statuses: dict[str, str] = {}
        self._replay_s = 0.0

    def run(self, late: Sequence[Path]) -> Drifted:
        """Everything, in order. `late` documents come when it has been calibrated."""
        files = sorted(self._place.glob("*.html"))
        random.Random(SEED).shuffle(files)  # noqa: S311 - a sample, no secret
        passages = self._calibrate()
        self._see("calibrated")
        files.pop().unlink()
        synced(self._installation, self._source)
        self._see("one_gone")
        for path in late:
            path.rename(self._place / path.name)
        self._sync("growing")
        self._see("grown")
        former = self._model()
        going = [files.pop() for _ in range(int(len(files) * DELETED))]
        for path in going:
            path.unlink()
        self._sync("deleting")
        replay_s = self._replay_s
        self._see("synced")
        others = self._observe(self._others)
        before, after = (_figures(model, others) for model in (former, self._model()))
        self._erase([path.name for path in files[: int(len(files) * DELETED)]], "erasing")
        self._see("erased")
        return Drifted(
            documents=len(files) + len(going) + len(late) + 1,
            passages=passages,
            questions=len(self._questions.asked),
            others=len(others),
            statuses=self._statuses,
            replay_s=round(replay_s, 2),
            before=before,
            after=after,
        )

    def _calibrate(self) -> int:
        opened = self._opened()
        observations = self._observe(self._questions.asked)
        binding = fitting.binding_of(opened, self._questions, self._lookup.makers(self._source))
        saved = Saved(
            model=fitting.fit(observations, binding, shipped(), calibration=new_id()),
            extent=extent(opened.generation, opened.visible),
            audience=fitting.Audience.of(self._questions.groups, self._source),
            golden=self._questions.after(opened.scope()).seal(self._installation.keyring, self._source.name),
        )
        with self._installation.database.writing() as session:
            registered = catalog.require(session, self._source.name)
            fitting.save(session, registered, saved, actor=ACTOR, now=clock(), again=False)
        return opened.generation.inventory.passages

    def _workshop(self, step: str) -> Workshop:
        """A workshop that looks at the next answer before the questions are asked again, and at how long that takes."""
        workshop = self._installation.workshop()
        asks = workshop.rehearse
        if asks is None:
            raise SystemExit("nothing is rehearsed")

        def watched(
            database: Database, registered: catalog.Registration, *, published: bool, actor: str
        ) -> Settle | None:
            self._see(step)
            began = time.perf_counter()
            settle = asks(database, registered, published=published, actor=actor)
            self._replay_s = time.perf_counter() - began
            return settle

        return replace(workshop, rehearse=watched)

    def _sync(self, step: str) -> None:
        installation, source = self._installation, self._source
        kind, options = JobKind.SYNC, {"confirm_deletes": True}
        with installation.database.writing() as session:
            job_id = JobId(new_id())
            joblog.ask(session, job_id, kind, source.name, actor=ACTOR, options=options, now=clock())
        with installation.database.reading() as session:
            registered, job = catalog.require(session, source.name), joblog.job(session, job_id)
        origin = connector(source.connector.kind, source.connector.options, secrets=installation.secrets(registered))
        with sync.opened(self._workshop(step), source, origin, job) as run:
            for unit in range(run.prepare()):
                run.do(unit)
            run.finish()

    def _erase(self, names: Sequence[str], step: str) -> None:
        ids = (self._installation.keyring.document_id(self._source.name, name) for name in names)
        request = ErasureRequest(documents=frozenset(ids), reference="EVIDENCE", ground="withdrawn_consent")
        erase.erase(self._workshop(step), self._source, request, actor=ACTOR)

    def _opened(self) -> Opened:
        with self._installation.database.reading() as session:
            registered = catalog.require(session, self._source.name)
            opened = self._lookup.open(session, registered, ASKING, PURPOSE, clock())
        if not isinstance(opened, Opened):
            raise SystemExit(f"nothing may be searched: {opened}")
        return opened

    def _observe(self, questions: Sequence[Kept]) -> tuple[Observation, ...]:
        opened, database = self._opened(), self._installation.database
        return fitting.observe(self._lookup, database, opened, questions, progress=lambda _: None)

    def _model(self) -> Model:
        with self._installation.database.reading() as session:
            return Model.load(calibrations.latest(session, self._source.name) or "")

    def _see(self, step: str) -> None:
        """Ask something, and note the status of the answer."""
        request = RetrievalRequest(
            query=self._questions.asked[0].query, purpose=PURPOSE, sources=None, k=10, conversation=None
        )
        answer = self._gateway.retrieve(ASKING, request, request_id=new_id())
        self._statuses[step] = answer.confidence.status.value


def _figures(model: Model, others: Sequence[Observation]) -> Mapping[str, float]:
    confidences = probabilities(model.linear, np.array([one.features for one in others]))
    sufficient = np.array([one.sufficient for one in others])
    return figures.measured(confidences, sufficient, np.random.default_rng(SEED))


if __name__ == "__main__":
    sys.exit(main())
