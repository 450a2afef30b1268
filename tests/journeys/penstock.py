"""Penstock as its users have it: the console script in a process of its own, and HTTP."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests import catalogs
from tests.journeys.nursery import Done, Nursery

SCRIPT = Path(sys.executable).with_name("penstock")
PURPOSE = "employee-support"
START_TIMEOUT_S = 120
TIMEOUT_S = 240

MANIFEST = """\
source: {source}
title: Notes
owner: notes@northwind.example
state: active
serving: on
connector: {{kind: filesystem, root: documents, include: ["**/*"]}}
policy:
  controller: Northwind Ltd
  regime: uk-gdpr
  lawful_basis: {{basis: legitimate_interests, reference: LIA-1}}
  special_categories: none
  purposes: [employee-support]
  retention: {{period: P2Y, from: modified}}
  residency: {{store: [gb], process: [gb], serve: [gb], transfers: []}}
  access:
    allow: [group:staff]
    documents:
      from: rules
      rules:
        - {{match: "board/**", allow: [group:board]}}
  redaction: {{profile: balanced, languages: [en]}}
  guardrail: {{max_risk: 0.10}}
  contract: {{processor_agreement: own operation, dpia: DPIA-1}}
limits: {{max_deletes: {max_deletes}, max_document_bytes: 200000}}
"""


@dataclass(frozen=True, kw_only=True)
class Penstock:
    """A folder with a home, its key beside it, a manifest and the documents of one source.

    Commands are forked from the nursery where there is one, which saves seconds, and are the console script elsewhere.
    """

    folder: Path
    nursery: Nursery | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def key_file(self) -> Path:
        return self.folder / "master.key"

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    @property
    def manifest(self) -> Path:
        return self.folder / "notes.yaml"

    def run(self, *arguments: str | Path, given: str = "", **environment: str) -> Done:
        own = self.environment | environment
        if self.nursery:
            return self.nursery.run(arguments, environment=own, given=given, timeout_s=TIMEOUT_S)
        done = subprocess.run(
            [SCRIPT, *arguments], env=own, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def must(self, *arguments: str | Path) -> Done:
        done = self.run(*arguments)
        assert done.code == 0, (arguments, done)
        return done

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}  # noqa: TID251 - handed on to the process under test
        own = {"PENSTOCK_HOME": str(self.home), "PENSTOCK_MASTER_KEY_FILE": str(self.key_file)}
        return inherited | own | catalogs.environment(self.home) | {"OMP_NUM_THREADS": "1"}

    def write(self, documents: Mapping[str, str | bytes], *, max_deletes: float = 0.2, source: str = "notes") -> None:
        """Put documents in place, and the manifest of their source."""
        for name, content in documents.items():
            path = self.documents / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        text = MANIFEST.format(source=source, max_deletes=max_deletes)
        self.manifest.write_text(text, "utf-8")

    def start(self, documents: Mapping[str, str | bytes], *, max_deletes: float = 0.2) -> None:
        """A new home, with these documents in it."""
        self.write(documents, max_deletes=max_deletes)
        self.must("init", "--region", "gb")
        self.must("apply", self.manifest, "--yes")
        self.must("sync", "notes")

    def copied(self, folder: Path) -> "Penstock":
        """A copy of the home, with its documents, to do anything to."""
        copy = Penstock(folder=folder, nursery=self.nursery)
        shutil.copytree(self.folder, folder)
        if catalogs.kind() == "postgresql":
            catalogs.copy(self.home / "catalog.db", copy.home / "catalog.db")
        copy.must("apply", copy.manifest, "--yes")
        return copy

    def key(self, *groups: str, purpose: str = PURPOSE, region: str = "gb") -> str:
        """A new API key."""
        named = [text for group in groups for text in ("--group", group)]
        made = self.must("key", "create", "--subject", "ann", *named, "--purpose", purpose, "--region", region)
        return made.out.strip()

    def answer(self, query: str, key: str) -> Any:  # noqa: ANN401 - as above
        """What the command `query` prints for a question."""
        asked = self.run("query", query, "--purpose", PURPOSE, "--key", "-", "--json", given=key)
        assert asked.code == 0, asked
        return asked.json()

    def status(self) -> Any:  # noqa: ANN401 - as above
        (standing,) = self.must("status", "notes", "--json", "--documents").json()
        return standing

    @contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command in a process of its own, told to stop when the block ends."""
        process = subprocess.Popen([SCRIPT, *arguments], env=self.environment, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)

    @contextmanager
    def serving(self) -> Iterator["Server"]:
        """A server on a free port, stopped when the block ends."""
        with self.process("serve", "--port", "0") as process:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith("Serving on http://127.0.0.1:"), said
            server = Server(process=process, port=int(said.split(":")[2].split()[0]))
            server.wait_until_ready()
            yield server


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, query: str, key: str, **fields: object) -> tuple[int, Any]:
        """Status and body of the answer to a question."""
        body = json.dumps({"query": query, "purpose": PURPOSE} | fields)
        return self._exchange("POST", "/v1/retrieve", key, body)

    def get(self, path: str, key: str) -> tuple[int, Any]:
        return self._exchange("GET", path, key, "")

    def post(self, path: str, key: str, *, once: str, **fields: object) -> tuple[int, Any]:
        """Status and body of the answer to a change, which is made once under the key `once`."""
        return self._exchange("POST", path, key, json.dumps(fields), {"Idempotency-Key": f'"{once}"'})

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._exchange("GET", "/readyz", "", "")[0] != HTTPStatus.OK:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _exchange(
        self, method: str, path: str, key: str, body: str, further: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **further}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def links(answer: Any) -> list[str]:  # noqa: ANN401 - as above
    """The links of an answer's passages, in order, each once."""
    return list(dict.fromkeys(passage["uri"] for passage in answer["passages"]))
