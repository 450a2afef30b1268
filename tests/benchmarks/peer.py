"""A plain LangChain and Chroma ingestion, for `tests.benchmarks.ingest` to run in an environment of its own.

It imports nothing of Penstock. Each line of its input asks for one folder to be taken in and is answered by one line.

`defaults` is what LangChain's own guides come to: unstructured for every file but PDF, which goes to PyPDF; pieces of
4,000 characters, of which the model reads the first 256 tokens; batches of 32. `configured` has the fastest loader
for each format, pieces that the model reads whole, and the batch size that was fastest.
"""

import gc
import importlib
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

READABLE_CHARACTERS = 1000
MAX_TOKENS = 256
BATCH = 4
"""Chosen: with AVX2 the fastest of 1, 2, 4, 8 and 32, the last of which took 1.4 times as long."""


def main() -> None:
    """Answer until there are no more lines."""
    out, sys.stdout = sys.stdout, sys.stderr
    torch = importlib.import_module("torch")
    own_threads = torch.get_num_threads()
    _forgo_model()
    for line in sys.stdin:
        asked = json.loads(line)
        torch.set_num_threads(asked["threads"] or own_threads)
        pipeline = _PIPELINES[asked["configuration"]]
        embeddings = _embeddings(asked["model"], asked["configuration"])
        gc.collect()
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            cpu_s, wall_s = _cpu_s(), time.perf_counter()
            documents, refused, texts = pipeline(Path(asked["folder"]), embeddings, folder)
            cpu_s, wall_s = _cpu_s() - cpu_s, time.perf_counter() - wall_s
        lengths = [len(encoding.ids) for encoding in _tokenizer(asked["model"]).encode_batch(texts)]
        answer = {
            "documents": documents,
            "refused": refused,
            "passages": len(texts),
            "tokens": sum(lengths),
            "tokens_read": sum(min(length, MAX_TOKENS) for length in lengths),
            "wall_s": wall_s,
            "cpu_s": cpu_s,
        }
        print(json.dumps(answer), file=out, flush=True)


Taken = tuple[int, int, list[str]]
"""Documents taken in, documents refused, and the texts that were embedded."""


def _defaults(folder: Path, embeddings: object, home: str) -> Taken:
    loaders = importlib.import_module("langchain_community.document_loaders")
    directory = loaders.DirectoryLoader
    found = [
        *directory(str(folder), exclude="*.pdf", silent_errors=True).load(),
        *directory(str(folder), glob="*.pdf", loader_cls=loaders.PyPDFLoader, silent_errors=True).load(),
    ]
    splitter = importlib.import_module("langchain_text_splitters").RecursiveCharacterTextSplitter()
    return _stored(folder, found, splitter, embeddings, home)


def _configured(folder: Path, embeddings: object, home: str) -> Taken:
    loaders = importlib.import_module("langchain_community.document_loaders")
    fastest = {
        ".pdf": loaders.PyPDFium2Loader,
        ".docx": loaders.Docx2txtLoader,
        ".html": loaders.BSHTMLLoader,
        ".htm": loaders.BSHTMLLoader,
        ".txt": loaders.TextLoader,
        ".md": loaders.TextLoader,
    }
    found = []
    for path in sorted(folder.iterdir()):
        loader = fastest.get(path.suffix.lower(), loaders.UnstructuredFileLoader)
        try:
            found += loader(str(path)).load()
        except Exception as error:  # noqa: BLE001 - as DirectoryLoader's silent_errors does
            print(f"{path.name}: {type(error).__name__}")
    splitters = importlib.import_module("langchain_text_splitters")
    splitter = splitters.RecursiveCharacterTextSplitter(chunk_size=READABLE_CHARACTERS, chunk_overlap=0)
    return _stored(folder, found, splitter, embeddings, home)


def _stored(folder: Path, found: Iterable[Any], splitter: Any, embeddings: object, home: str) -> Taken:  # noqa: ANN401
    pieces = [piece for piece in splitter.split_documents(found) if piece.page_content.strip()]
    # What its metadata may hold is less than what unstructured finds.
    pieces = importlib.import_module("langchain_community.vectorstores.utils").filter_complex_metadata(pieces)
    chroma = importlib.import_module("langchain_chroma").Chroma
    client_settings = importlib.import_module("chromadb.config").Settings(
        anonymized_telemetry=False, is_persistent=True, persist_directory=home
    )
    chroma.from_documents(pieces, embeddings, client_settings=client_settings)
    documents = len({piece.metadata["source"] for piece in pieces})
    return documents, sum(1 for _ in folder.iterdir()) - documents, [piece.page_content for piece in pieces]


_PIPELINES: Mapping[str, Callable[[Path, object, str], Taken]] = {"defaults": _defaults, "configured": _configured}
_LOADED: dict[str, Any] = {}


def _embeddings(model: str, configuration: str) -> Any:  # noqa: ANN401 - LangChain is not there for the type checker
    if configuration not in _LOADED:
        options = {"batch_size": BATCH, "normalize_embeddings": True} if configuration == "configured" else {}
        make = importlib.import_module("langchain_community.embeddings").HuggingFaceEmbeddings
        # It warns of its move to a package that does not go with this transformers, and is the same there. LangChain
        # lets its warnings through from its import on.
        warnings.simplefilter("ignore")
        _LOADED[configuration] = make(model_name=model, model_kwargs={"device": "cpu"}, encode_kwargs=options)
    return _LOADED[configuration]


def _tokenizer(model: str) -> Any:  # noqa: ANN401 - as above
    tokenizer = importlib.import_module("tokenizers").Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _forgo_model() -> None:
    """Have unstructured do without the spaCy model that it downloads at its first document: faster, if anything."""
    spacy = importlib.import_module("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    tokenize: Any = importlib.import_module("unstructured.nlp.tokenize")
    tokenize._load_spacy_model = lambda: pipeline  # noqa: SLF001


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
