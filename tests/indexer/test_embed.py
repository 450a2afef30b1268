import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.embed import (
    CHECKSUMS,
    MAX_TOKENS,
    Embedder,
    Precision,
    Vectors,
    load_embedder,
    locate_model,
    native_precision,
    token_counter,
    unit,
    verify_model,
)
from policies.errors import DependencyError, IntegrityError
from tests.fakes import HashEmbedder

PASSAGES = [
    "Leave policy\nNew employees have 25 days of annual leave.",
    "Congés\nLes salariés ont 25 jours de congés payés.",
    "Expenses\nSend the receipt within thirty days.",
    "",
    "word " * 900,
    "[EMAIL_ADDRESS_mfrggzdfmztwq2lknnwg23tp] \u4e2d\u6587 \U0001f642 \x00",
]
QUESTION = "How many days of leave do new employees have?"


@pytest.fixture(scope="module")
def mini_lm() -> Embedder:
    return load_embedder(locate_model(None), precision="fp32", threads=1)


@pytest.fixture(params=["mini_lm", "hash"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "hash":
        return HashEmbedder()
    found: Embedder = request.getfixturevalue("mini_lm")
    return found


def test_rows_are_of_unit_length_in_the_order_given(embedder: Embedder) -> None:
    vectors = embedder.embed_document(PASSAGES)
    assert vectors.shape == (len(PASSAGES), embedder.identity.dim)
    assert vectors.dtype == np.dtype(np.float32)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.array_equal(embedder.embed_document(PASSAGES[::-1]), vectors[::-1])


def test_a_query_is_one_row(embedder: Embedder) -> None:
    vector = embedder.embed_query(QUESTION)
    assert vector.shape == (embedder.identity.dim,)
    assert vector.dtype == np.dtype(np.float32)


def test_a_document_without_passages_has_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_document([]).shape == (0, embedder.identity.dim)


def test_a_vector_depends_on_its_text_alone(embedder: Embedder) -> None:
    together = embedder.embed_document(PASSAGES)
    for text, row in zip(PASSAGES, together, strict=True):
        assert embedder.embed_document([text]).tobytes() == row.tobytes()
        assert embedder.embed_query(text).tobytes() == row.tobytes()


def test_a_query_is_nearest_to_the_passage_that_answers_it(embedder: Embedder) -> None:
    assert int(np.argmax(embedder.embed_document(PASSAGES) @ embedder.embed_query(QUESTION))) == 0


def test_several_threads_get_the_same_vectors(embedder: Embedder) -> None:
    expected = embedder.embed_document(PASSAGES[:3])
    with ThreadPoolExecutor(4) as pool:
        found: list[Vectors] = list(pool.map(embedder.embed_document, [PASSAGES[:3]] * 8))
    assert all(np.array_equal(vectors, expected) for vectors in found)


def test_two_loads_give_the_same_bytes(mini_lm: Embedder) -> None:
    again = load_embedder(locate_model(None), precision="fp32", threads=1)
    assert again.identity == mini_lm.identity
    assert again.embed_document(PASSAGES).tobytes() == mini_lm.embed_document(PASSAGES).tobytes()


def test_the_vectors_are_those_of_sentence_transformers(mini_lm: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(locate_model(None)), device="cpu", local_files_only=True)
    expected = reference.encode(PASSAGES, batch_size=1, show_progress_bar=False)
    assert np.abs(mini_lm.embed_document(PASSAGES) - expected).max() < 1e-6


def test_half_precision_points_the_same_way_under_another_identity(mini_lm: Embedder) -> None:
    half = load_embedder(locate_model(None), precision="bf16", threads=1)
    assert half.identity == replace(mini_lm.identity, precision="bf16")
    assert half.identity.key != mini_lm.identity.key
    vectors = half.embed_document(PASSAGES)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    assert np.sum(vectors * mini_lm.embed_document(PASSAGES), axis=1).min() > 0.995


def test_the_key_of_an_identity_names_every_part(mini_lm: Embedder) -> None:
    assert mini_lm.identity.key == (
        "all-MiniLM-L6-v2@53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db/torch-fp32/384/256"
    )
    changes: list[dict[str, object]] = [
        {"name": "x"},
        {"sha256": "x"},
        {"backend": "x"},
        {"precision": "bf16"},
        {"dim": 1},
        {"max_tokens": 1},
    ]
    keys = {replace(mini_lm.identity, **change).key for change in changes}  # type: ignore[arg-type]
    assert len(keys | {mini_lm.identity.key}) == 7


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("Leave", 1), ("Leave, please.", 4), ("word " * 900, 900), ("x" * 500, 1)]
)
def test_tokens_are_counted_to_the_end_without_special_ones(text: str, count: int) -> None:
    assert token_counter(locate_model(None))([text, "Leave"]) == [count, 1]


def test_counting_tokens_loads_no_heavy_library() -> None:
    program = (
        "import sys; from indexer.embed import locate_model, token_counter; token_counter(locate_model(None))(['a']);"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


def test_what_the_counter_counts_is_what_the_model_reads(mini_lm: Embedder) -> None:
    count = token_counter(locate_model(None))
    fits = "word " * (MAX_TOKENS - 2)
    assert count([fits])[0] + 2 == MAX_TOKENS
    assert np.array_equal(mini_lm.embed_query(fits), mini_lm.embed_query(fits + "another"))
    assert not np.array_equal(mini_lm.embed_query(fits), mini_lm.embed_query(fits.removesuffix("word ") + "another"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in CHECKSUMS:
        shutil.copy(locate_model(None) / name, tmp_path / name)
    return tmp_path


def test_the_published_files_pass_in_any_folder(copy: Path) -> None:
    assert locate_model(copy) == copy
    verify_model(copy)


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_one_flipped_bit_is_refused_with_the_mend(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"{name}.*not {CHECKSUMS[name]}.*Reinstall"):
        load_embedder(copy, precision="fp32", threads=1)


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_a_missing_file_is_refused_with_the_mend(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(IntegrityError, match=rf"{name} cannot be read.*Reinstall"):
        load_embedder(copy, precision="fp32", threads=1)


def test_a_counter_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"tokenizer\.json cannot be read"):
        token_counter(tmp_path)


@pytest.mark.parametrize(
    ("cpuinfo", "precision"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 vaes\n", "bf16"),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", "bf16"),
        ("flags\t\t: fpu avx avx2 avx512f\n", "fp32"),
        ("flags\t\t: fpu not_avx512_bf16\n", "fp32"),
        ("", "fp32"),
    ],
)
def test_half_precision_is_native_where_the_processor_has_it(cpuinfo: str, precision: Precision) -> None:
    assert native_precision(cpuinfo) == precision


@pytest.mark.parametrize("values", [[np.nan, 1], [np.inf, 1], [0, 0]])
def test_a_vector_without_a_direction_is_an_error(values: Sequence[float]) -> None:
    with pytest.raises(DependencyError, match="without a direction"):
        unit(np.array(values, dtype=np.float32))
