"""A reader: how well the first passages returned hold the answer, as one number more for the confidence.

It sees what the caller is given anyway, redacted, and the redacted question. Passages, their order and their scores
are as they are without one; where it gives no number there is no confidence, and the answer is a hand-off.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from policies.errors import DependencyError, PenstockError, SettingsError

if TYPE_CHECKING:
    from indexer.embed import MiniLmEmbedder

T = TypeVar("T")

PASSAGES_READ = 2
"""How many passages are read. Chosen: on two sets the second brought half as much again as the first, the third and
the five first together a tenth of that, and each costs as much."""
PATIENCE_S = 5.0
"""Chosen: how long a query waits for its score, those before it included. Two passages take a fifth of a second."""
LOGITS = 10.0
"""What a cross-encoder's logit is divided by, so that a step of it means about as much as one of other features."""

Score: TypeAlias = Callable[[str, Sequence[str]], Sequence[float]]
"""How well each passage holds the answer to a question: the more, the better."""
Tokens: TypeAlias = Callable[[], "MiniLmEmbedder"]
"""The installed embedder, loaded when it is asked for."""


class Reader:
    """Reads in a thread of its own, one question at a time. Safe to use from several threads.

    `name` says which it is, with a digest of its files; a score means nothing beside those of another name.
    """

    def __init__(self, name: str, load: Callable[[], Score], *, mend: str, patience_s: float = PATIENCE_S) -> None:
        self.name = name
        self._load = load
        self._mend = mend
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._lock = Lock()
        self._given_up: Future[Any] | None = None

    def warm(self) -> None:
        """Load it.

        Raises:
            DependencyError, IntegrityError: it does not load.
        """
        with self._lock:
            self._loaded  # noqa: B018 - loads it

    def score(self, question: str, passages: Sequence[str]) -> float:
        """That of the best of the first PASSAGES_READ, which are given best first; finite.

        Raises:
            DependencyError: it does not load, fails, takes too long, gives what is no number for one of them, or was
                closed.
            IntegrityError: its files are not what they should be.
        """
        self.warm()
        if self._given_up is not None and not self._given_up.done():
            raise self._failing("is still at a question that took too long")
        scoring = partial(self._scores, question, tuple(passages[:PASSAGES_READ]))
        reading = self._done(scoring, within_s=self._patience_s)
        # Not chained: what went wrong with a text may quote it.
        if reading.exception() is not None:
            raise self._failing("failed")
        scores = reading.result()
        if len(scores) != len(passages[:PASSAGES_READ]) or not scores or not all(map(math.isfinite, scores)):
            raise self._failing("gave no number")
        return max(scores)

    def close(self) -> None:
        """Read nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _scores(self, question: str, passages: Sequence[str]) -> list[float]:
        return list(map(float, self._loaded(question, passages)))

    @cached_property
    def _loaded(self) -> Score:
        loading = self._done(self._load, within_s=None)
        error = loading.exception()
        if isinstance(error, PenstockError):
            raise error
        if error is not None:
            raise DependencyError(f"The reader {self.name!r} does not load.", mend=self._mend) from error
        return loading.result()

    def _done(self, act: Callable[[], T], *, within_s: float | None) -> Future[T]:
        """What the thread made of this act, whichever way it ended."""
        try:
            doing = self._thread.submit(act)
        except RuntimeError:
            raise self._failing("is closed") from None
        try:
            doing.exception(timeout=within_s)
        except TimeoutError:
            # What runs cannot be stopped: nobody else waits for it.
            self._given_up = self._given_up if doing.cancel() else doing
            raise self._failing("took too long") from None
        except CancelledError:
            raise self._failing("is closed") from None
        return doing

    def _failing(self, how: str) -> DependencyError:
        return DependencyError(f"The reader {self.name!r} {how}.", mend="Run: penstock doctor")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the setting names: a kind, and the absolute folder of its files where it has files of its own."""

    kind: str
    folder: Path | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `KIND` or `KIND:FOLDER` says. Does not look whether it is there.

        Raises:
            SettingsError: the text is not of that form.
        """
        kind, colon, folder = text.strip().partition(":")
        if kind not in _KINDS:
            raise _formless(text, f"is none of {', '.join(_KINDS)}")
        if bool(colon) is not (kind in _OF_FILES) or (colon and not Path(folder).is_absolute()):
            raise _formless(text, "has no absolute path behind it" if kind in _OF_FILES else "has no files of its own")
        return cls(kind=kind, folder=Path(folder) if colon else None)

    def __str__(self) -> str:
        """As the setting says it."""
        return self.kind if self.folder is None else f"{self.kind}:{self.folder}"

    def reader(self, embedder: Tokens) -> Reader:
        """The reader, not yet loaded.

        Raises:
            DependencyError: its files are not there, or are such as it may not have.
        """
        return _KINDS[self.kind](self, embedder)

    @property
    def mend(self) -> str:
        """What to do where it does not load."""
        if self.folder is None:
            return "Unset PENSTOCK_READER, or install Penstock again."
        return (
            f"Put a CrossEncoder that sentence-transformers saved into {str(self.folder)!r}, or unset PENSTOCK_READER."
        )


def _late_interaction(choice: Choice, embedder: Tokens) -> Reader:
    from indexer import embed  # noqa: PLC0415 - arrays, which a process that never asks does not pay

    def load() -> Score:
        token_vectors = embedder().token_vectors

        def scores(question: str, passages: Sequence[str]) -> list[float]:
            """How near a passage's tokens come to each of the question's (Khattab and Zaharia, SIGIR 2020: MaxSim).

            It is one less the mean square of what is missing. Chosen: on SQuAD the plain mean gained .001 AUROC more
            and on web questions .002 less, because it overlooks the one word that a passage lacks.
            """
            asked = token_vectors(question)
            if not len(asked):
                return [0.0] * len(passages)
            nearest = [(asked @ token_vectors(passage).T).max(axis=1, initial=0.0) for passage in passages]
            return [1.0 - float(((1.0 - near) ** 2).mean()) for near in nearest]

        return scores

    return Reader(f"{choice.kind} of {PASSAGES_READ}@{embed.CHECKSUMS['model.safetensors']}", load, mend=choice.mend)


def _cross_encoder(choice: Choice, _: Tokens) -> Reader:
    from indexer import embed  # noqa: PLC0415 - as above
    from indexer.upgrades import digest  # noqa: PLC0415 - as above

    folder = choice.folder
    assert folder is not None  # noqa: S101 - parsed so
    try:
        files = digest(folder) if (folder / "config.json").is_file() else None
    except OSError as error:
        raise DependencyError(f"The folder cannot be read whole: reader {str(choice)!r}.", mend=choice.mend) from error
    if files is None:
        raise DependencyError(f"The folder holds no model: reader {str(choice)!r}.", mend=choice.mend)

    def load() -> Score:
        score = embed.load_cross_encoder(folder)
        return lambda question, passages: [score(question, passage) / LOGITS for passage in passages]

    return Reader(f"{choice.kind} of {PASSAGES_READ}@{files}", load, mend=choice.mend)


_KINDS: Mapping[str, Callable[[Choice, Tokens], Reader]] = {
    "late-interaction": _late_interaction,
    "cross-encoder": _cross_encoder,
}
_OF_FILES = frozenset({"cross-encoder"})


def _formless(text: str, why: str) -> SettingsError:
    return SettingsError(
        f"{text!r} {why}.", mend="Write late-interaction, or cross-encoder: with the absolute path of a folder."
    )
