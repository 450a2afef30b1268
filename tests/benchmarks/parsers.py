"""Each format read by Penstock's parser and by unstructured's own function for it, over the files of a folder.

    python -m tests.benchmarks.parsers FOLDER [--rounds 3]

Both run in this process, without the sandbox, on the same bytes, and unstructured with its defaults, but without the
model that it would download. A round reads every file of the format; the fastest of the rounds counts. What a side
refuses or fails at counts in its time and not in its files. Characters are those of all elements; Penstock repeats a
table's header in each row. `shared` is how much of the other side's vocabulary a side has found, over all files that
both read. What unstructured cannot run here has the reason in its place: Word 97 and PowerPoint 97 need LibreOffice,
reStructuredText, Org, RTF, EPUB and OpenDocument need pandoc. The last line is JSON.
"""

import argparse
import importlib
import io
import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from indexer.formats.partition import forgo_model
from indexer.formats.read import read
from indexer.formats.sniff import Format, format_of
from policies.errors import QuarantineError

Side: TypeAlias = Callable[[bytes, str], str]
"""From bytes and a name to all text found."""

THEIRS: dict[Format, str] = {
    "csv": "csv.partition_csv",
    "doc": "doc.partition_doc",
    "docx": "docx.partition_docx",
    "eml": "email.partition_email",
    "epub": "epub.partition_epub",
    "html": "html.partition_html",
    "json": "json.partition_json",
    "jsonl": "ndjson.partition_ndjson",
    "md": "md.partition_md",
    "msg": "msg.partition_msg",
    "odt": "odt.partition_odt",
    "org": "org.partition_org",
    "pdf": "pdf.partition_pdf",
    "ppt": "ppt.partition_ppt",
    "pptx": "pptx.partition_pptx",
    "rst": "rst.partition_rst",
    "rtf": "rtf.partition_rtf",
    "tsv": "tsv.partition_tsv",
    "txt": "text.partition_text",
    "xls": "xlsx.partition_xlsx",
    "xlsx": "xlsx.partition_xlsx",
    "xml": "xml.partition_xml",
}
"""unstructured's own functions. It has none for mbox, ODS and ODP; pictures are read by OCR alone on either side."""
_WORD = re.compile(r"\w{2,}")


@dataclass(kw_only=True)
class Result:
    """What one side made of the files of one format. `failures` counts by the name of the error or the refusal."""

    seconds: float = float("inf")
    texts: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def row(self, files: int) -> dict[str, object]:
        """The figures of the table."""
        return {
            "read": len(self.texts),
            "docs_per_s": round(files / self.seconds, 1),
            "characters": sum(map(len, self.texts.values())),
            "failures": self.failures,
        }


def main(arguments: Sequence[str]) -> None:
    """Print a line for each format as it is done, then everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.parsers")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    forgo_model()
    found: dict[str, dict[str, object]] = {}
    print(f"{'format':8}{'files':>6}{'ours/s':>10}{'its/s':>10}{'ours chars':>12}{'its chars':>12}{'shared':>16}")
    for format_, files in sorted(_files(options.folder).items()):
        ours = _measure(_ours, files, options.rounds)
        if not any(ours.texts.values()):
            continue  # pictures
        theirs = _theirs(format_)
        result = theirs if isinstance(theirs, str) else _measure(theirs, files, options.rounds)
        found[format_] = {"files": len(files), "ours": ours.row(len(files)), **_beside(ours, result, len(files))}
        print(_line(format_, found[format_]), flush=True)
    print(json.dumps(found))


def _files(folder: Path) -> dict[Format, list[tuple[str, bytes]]]:
    files: dict[Format, list[tuple[str, bytes]]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            files.setdefault(format_of(data, path.name), []).append((path.name, data))
        except QuarantineError:
            continue  # neither side's
    return files


def _ours(data: bytes, name: str) -> str:
    return "\n".join(element.text for element in read(data, name, ["en"]).elements)


def _theirs(format_: Format) -> Side | str:
    """unstructured's function, or why there is none."""
    if format_ not in THEIRS:
        return "none"
    module, _, function = THEIRS[format_].partition(".")
    try:
        partition: Callable[..., list[Any]] = getattr(
            importlib.import_module(f"unstructured.partition.{module}"), function
        )
    except ImportError as error:
        return f"needs {error.name}"
    return lambda data, _name: "\n".join(element.text for element in partition(file=io.BytesIO(data)))


def _measure(side: Side, files: Iterable[tuple[str, bytes]], rounds: int) -> Result:
    result = Result()
    for _ in range(rounds):
        result.texts, result.failures = {}, {}
        began = time.perf_counter()
        for number, (name, data) in enumerate(files):
            try:
                result.texts[f"{number}/{name}"] = side(data, name)
            except QuarantineError as refusal:
                result.failures[refusal.reason] = result.failures.get(refusal.reason, 0) + 1
            except Exception as error:  # noqa: BLE001 - parsers raise anything, and a benchmark counts it
                name_of_it = type(error).__name__
                result.failures[name_of_it] = result.failures.get(name_of_it, 0) + 1
        result.seconds = min(result.seconds, time.perf_counter() - began)
    return result


def _beside(ours: Result, theirs: Result | str, files: int) -> dict[str, object]:
    if isinstance(theirs, str):
        return {"unstructured": None, "reason": theirs}
    both = ours.texts.keys() & theirs.texts.keys()
    our_words, their_words = (
        {(name, word) for name in both for word in _WORD.findall(side.texts[name].lower())} for side in (ours, theirs)
    )
    common = len(our_words & their_words)
    return {
        "unstructured": theirs.row(files),
        "its_words_in_ours": round(common / len(their_words), 4) if their_words else None,
        "our_words_in_its": round(common / len(our_words), 4) if our_words else None,
    }


def _line(format_: str, row: dict[str, Any]) -> str:
    ours, theirs = row["ours"], row["unstructured"]
    line = f"{format_:8}{ours['read']:>3}/{row['files']:<3}{ours['docs_per_s']:>9}"
    if theirs is None:
        return f"{line}   {row['reason']:>7}{ours['characters']:>12}"
    shared = f"{row['its_words_in_ours']} {row['our_words_in_its']}"
    return (
        f"{line}{theirs['docs_per_s']:>10}{ours['characters']:>12}{theirs['characters']:>12}{shared:>16}"
        f"{'  ' + json.dumps(theirs['failures']) if theirs['failures'] else ''}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
