"""Commands in this process, on the home of a bench."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.shell import Run
from gateway.settings import encode_master_key
from policies.errors import PenstockError
from policies.manifest import Source
from policies.model import DocumentId
from tests import catalogs
from tests.indexer.workbench import MASTER_KEY, Bench


def environment_of(bench: Bench) -> dict[str, str]:
    """What a command must be told so that it works on this home."""
    return {
        "PENSTOCK_HOME": str(bench.home.root),
        "PENSTOCK_MASTER_KEY": encode_master_key(MASTER_KEY),
        "PENSTOCK_MASTER_KEY_FILE": "",
        "COLUMNS": "300",
        **catalogs.environment(bench.home.root),
    }


@dataclass
class Shell:
    """Commands on the home of a bench."""

    bench: Bench
    source: Source
    environment: dict[str, str]

    def run(self, *arguments: str, given: str | None = None) -> Result:
        runner = CliRunner(env=self.environment)
        return cast("Result", runner.invoke(build(), arguments, obj=Run(), input=given))

    def must(self, *arguments: str, given: str | None = None) -> str:
        result = self.run(*arguments, given=given)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.stdout)

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - the tests know what a command prints
        return json.loads(self.must(*arguments, "--json"))

    def refused(self, *arguments: str, given: str | None = None) -> PenstockError:
        error = self.run(*arguments, given=given).exception
        assert isinstance(error, PenstockError), error
        return error

    def key(self, subject: str, *options: str) -> str:
        """A new API key, as text."""
        asked = ("--subject", subject, "--purpose", "employee-support", "--region", "gb", *options)
        return self.must("key", "create", *asked).strip()

    def key_file(self, subject: str, *options: str) -> str:
        path = self.bench.home.root.parent / f"{subject}.txt"
        path.write_text(self.key(subject, *options) + "\n")
        return str(path)

    def id(self, name: str) -> DocumentId:
        return self.bench.id(self.source, name)

    def last(self) -> tuple[str, str, list[str], Mapping[str, object]]:
        record = self.bench.audit()[-1]
        return record.action, record.actor, json.loads(record.objects), json.loads(record.detail)
