"""Commands that grant agents, list and revoke their grants, on a home of their own."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway import agents
from gateway.agents import AgentGrant, GrantId
from gateway.cli.commands import build
from gateway.cli.shell import Run, operator
from gateway.settings import encode_master_key
from gateway.wiring import clock
from policies.errors import ConflictError, RefusedError
from policies.model import Action, Agent
from tests import catalogs
from tests.gateway.issuing import ISSUER, trusted
from tests.indexer.workbench import MASTER_KEY, Bench

GRANT = (
    "agent", "grant", "--issuer", ISSUER, "--agent", "helpdesk-bot", "--group", "staff", "--group", "board",
    "--purpose", "employee-support", "--region", "gb",
)  # fmt: skip


class Shell:
    """Commands on the home of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.environment = {
            "PENSTOCK_HOME": str(bench.home.root),
            "PENSTOCK_MASTER_KEY": encode_master_key(MASTER_KEY),
            "PENSTOCK_MASTER_KEY_FILE": "",
            "COLUMNS": "300",
            **catalogs.environment(bench.home.root),
        }

    def run(self, *arguments: str) -> Result:
        return cast("Result", CliRunner(env=self.environment).invoke(build(), arguments, obj=Run()))

    def must(self, *arguments: str) -> Result:
        result = self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    def grants(self) -> dict[str, str]:
        """The state of every grant, by its id."""
        return {one["id"]: one["state"] for one in json.loads(self.must("agent", "list", "--json").stdout)}


@pytest.fixture
def shell(bench: Bench) -> Shell:
    return Shell(bench)


def test_a_grant_that_was_made_is_in_force_and_in_the_audit(shell: Shell) -> None:
    made = json.loads(shell.must(*GRANT, "--days", "7", "--json").stdout)
    with shell.bench.database.reading() as session:
        (granted,) = agents.listing(session)
    assert (granted.id, granted.grant.issuer, granted.grant.expires.isoformat()) == (
        made["id"],
        ISSUER,
        made["expires"],
    )
    assert granted.grant.expires == granted.created + timedelta(days=7)
    assert granted.grant.agent == Agent(
        subject="helpdesk-bot",
        groups=frozenset({"staff", "board"}),
        purposes=frozenset({"employee-support"}),
        region="gb",
    )
    record = shell.bench.audit()[-1]
    assert (record.actor, record.action, record.objects) == (operator(), Action.AGENT_GRANTED, f'["{made["id"]}"]')
    assert json.loads(record.detail) == {
        "issuer": ISSUER,
        "agent": "helpdesk-bot",
        "groups": ["board", "staff"],
        "purposes": ["employee-support"],
        "region": "gb",
        "expires": made["expires"],
    }


def test_a_grant_is_said_in_a_line_and_listed_in_columns(shell: Shell) -> None:
    said = shell.must(*GRANT).stdout
    found = re.fullmatch(r"Grant ([0-9a-f]{24}), in force until \d{4}-\d\d-\d\d\.\n", said)
    assert found is not None
    head, row = shell.must("agent", "list").stdout.splitlines()
    assert head.split() == ["id", "state", "issuer", "agent", "groups", "purposes", "region", "expires"]
    for part in (found[1], "in force", ISSUER, "helpdesk-bot", "board, staff", "employee-support"):
        assert part in row


def test_a_grant_can_be_revoked_and_stays_in_the_list(shell: Shell) -> None:
    first = json.loads(shell.must(*GRANT, "--json").stdout)["id"]
    assert shell.must("agent", "revoke", first).stderr == f"Grant {first} is revoked.\n"
    record = shell.bench.audit()[-1]
    assert (record.action, record.objects) == (Action.AGENT_REVOKED, f'["{first}"]')
    second = json.loads(shell.must(*GRANT, "--json").stdout)["id"]
    assert shell.grants() == {first: "revoked", second: "in force"}


def test_a_grant_that_has_ended_is_listed_as_expired(shell: Shell) -> None:
    now = clock()
    agent = Agent(subject="bot", groups=frozenset(), purposes=frozenset({"p"}), region="gb")
    past = AgentGrant(issuer=ISSUER, agent=agent, expires=now - timedelta(days=1))
    with shell.bench.database.writing() as session:
        agents.create(session, GrantId("a" * 24), past, now=now - timedelta(days=2))
    assert shell.grants() == {"a" * 24: "expired"}


def test_an_issuer_that_nobody_trusts_here_is_pointed_out(shell: Shell, tmp_path: Path) -> None:
    said = "is trusted here: until PENSTOCK_ISSUERS has it"
    assert said in shell.must(*GRANT).stderr
    issuer = trusted(tmp_path / "jwks.json")
    issuers = tmp_path / "issuers.yaml"
    issuers.write_text(
        f"- {{issuer: '{ISSUER}', audience: {issuer.audience}, jwks: jwks.json, algorithms: [EdDSA], claims: {{}}}}\n"
    )
    shell.environment["PENSTOCK_ISSUERS"] = str(issuers)
    assert said not in shell.must(*GRANT, "--agent", "other").stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((*GRANT, "--region", "uk"), RefusedError, "'uk' is not a region"),
        ((*GRANT, "--purpose", "Employee support"), RefusedError, "not one that a manifest can name"),
        ((*GRANT, "--agent", " bot"), RefusedError, "is not a name"),
        ((*GRANT, "--issuer", "a b"), RefusedError, "issuer of the grant"),
        (("agent", "revoke", "0" * 24), RefusedError, "There is no such grant"),
        (GRANT, ConflictError, "in force already"),
    ],
)
def test_what_is_refused_changes_nothing_and_is_in_no_audit(
    shell: Shell, arguments: tuple[str, ...], error: type[RefusedError], message: str
) -> None:
    shell.must(*GRANT)
    grants, records = shell.grants(), len(shell.bench.audit())
    result = shell.run(*arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert (shell.grants(), len(shell.bench.audit())) == (grants, records)


@pytest.mark.parametrize("missing", ["--issuer", "--agent", "--purpose", "--region"])
def test_a_grant_says_for_whom_for_what_and_where(shell: Shell, missing: str) -> None:
    place = GRANT.index(missing)
    result = shell.run(*GRANT[:place], *GRANT[place + 2 :])
    assert result.exit_code == 2
    assert shell.grants() == {}
