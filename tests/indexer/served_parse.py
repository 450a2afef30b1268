"""The real parser, with a counter where unstructured would go to the network."""

import urllib.request
from pathlib import Path

from indexer.formats import read
from indexer.sandbox import JSON, Handler


def prepare() -> Handler:
    handle = read.prepare()
    from unstructured.nlp import tokenize

    threads = len(list(Path("/proc/self/task").iterdir()))
    reached: list[str] = []

    def refuse(*_arguments: object, **_options: object) -> None:
        reached.append("network")
        raise AssertionError

    tokenize._install_spacy_model = refuse  # noqa: SLF001
    tokenize._download_with_timeout = refuse  # noqa: SLF001
    urllib.request.urlopen = refuse

    def counted(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
        answer = dict(handle(header, body))
        return {"reached": list(reached), "elements": answer["elements"], "threads": threads}

    return counted
