"""Who may import, read or make what. Each rule looks at every module, late imports too, and is shown to see."""

import ast
import socket
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

ROOT = Path(__file__).parents[2]
PACKAGES = ("policies", "connectors", "indexer", "gateway")
MAX_LINES = 400

IMPORTERS: Mapping[str, set[str]] = {
    "faiss": {"indexer/vectors.py"},
    "torch": {"indexer/embed.py", "indexer/ner/training/train.py"},  # the second is not installed
    "sentence_transformers": {"indexer/embed.py"},
    "tokenizers": {"indexer/embed.py"},
    "transformers": {"indexer/embed.py", "indexer/readers.py"},
    "unstructured": {"indexer/formats/partition.py"},
    "pypdfium2": {"indexer/formats/pages/pdf.py", "indexer/formats/pages/render.py"},
    "dbos": {"indexer/durable.py"},
    "office_oxide": {"indexer/formats/office/legacy.py"},
    "olefile": {"indexer/formats/office/ole.py", "indexer/formats/mail/outlook.py"},
    "xlrd": {"indexer/formats/office/workbook.py"},
    "docutils": {"indexer/formats/markup/rst.py"},
    "chardet": {"indexer/formats/charset.py"},
    "presidio_analyzer": {"indexer/detect.py"},
    "gliner": {"indexer/readers.py"},
    "pickle": set(),
    "cloudpickle": set(),
    "dill": set(),
    "joblib": set(),
    "marshal": set(),
    "shelve": set(),
}
"""The only modules that may import each of these. An empty set: nobody."""


@cache
def modules() -> Mapping[str, ast.Module]:
    """Every module of the packages, by its path from the root, parsed."""
    found = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    assert len(found) > 80
    return found


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of all that a module imports, wherever the import stands, by statement or by name."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                names.add(module.partition(".")[0])
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                names.add(module.partition(".")[0])
    return names


def reads_environment(tree: ast.Module) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
        for node in ast.walk(tree)
    )


def calls(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and ((isinstance(node.func, ast.Name) and node.func.id == name)
             or (isinstance(node.func, ast.Attribute) and node.func.attr == name))
        for node in ast.walk(tree)
    )  # fmt: skip


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_library_is_imported_where_it_may_be_and_nowhere_else(library: str) -> None:
    assert {path for path, tree in modules().items() if library in imported(tree)} == IMPORTERS[library]


def test_only_the_settings_read_the_environment() -> None:
    assert {path for path, tree in modules().items() if reads_environment(tree)} == {"gateway/settings.py"}


def test_only_decide_makes_a_permit() -> None:
    assert {path for path, tree in modules().items() if calls(tree, "Permit")} == {"policies/decide.py"}


def test_callers_are_made_of_credentials() -> None:
    """From a key or a token; calibration and explaining tell what one whom their operator describes would be given."""
    makers = {path for path, tree in modules().items() if calls(tree, "Caller")}
    assert makers == {
        "gateway/keys.py",
        "gateway/tokens.py",
        "gateway/calibrate/golden.py",
        "gateway/cli/explaining.py",
    }


def test_arrays_are_loaded_without_pickle() -> None:
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"np.load", "numpy.load"}:
                assert "allow_pickle=False" in ast.unparse(node), path


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in modules()}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import faiss",
        "import faiss.contrib as x",
        "from faiss import Index",
        "def late():\n    if True:\n        from faiss.loader import x",
        "__import__('faiss')",
        "import importlib\nimportlib.import_module('faiss.x')",
    ],
)
def test_an_import_is_seen_however_it_is_written(code: str) -> None:
    assert "faiss" in imported(ast.parse(code))
    assert "faiss" not in imported(ast.parse("import faissy\nfrom x import faiss\nfaiss = 1"))


@pytest.mark.parametrize(
    "code", ["import os\nos.environ['X']", "from os import environ", "import os as o\no.getenv('X')"]
)
def test_reading_the_environment_is_seen_however_it_is_written(code: str) -> None:
    assert reads_environment(ast.parse(code))
    assert not reads_environment(ast.parse("def load(environ): return environ['X']"))


def test_making_a_permit_is_seen_however_it_is_written() -> None:
    for code in ("Permit(source=1)", "model.Permit(source=1)"):
        assert calls(ast.parse(code), "Permit")
    assert not calls(ast.parse("permit(source=1)\nx: Permit"), "Permit")


@pytest.fixture
def sockets() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        yield opened


def test_no_socket_leads_out_of_the_tests(sockets: socket.socket) -> None:
    with pytest.warns(UserWarning, match="tried to use socket"), pytest.raises(SocketConnectBlockedError):
        sockets.connect(("192.0.2.1", 80))


def test_sockets_of_this_machine_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]):
        pass
