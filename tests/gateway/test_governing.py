"""Commands of those who answer for personal data: holds, restrictions, erasures, explanations, effects."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import operator
from gateway.wiring import clock
from indexer import erase
from policies.errors import ConflictError, PenstockError, RefusedError, UnauthenticatedError
from policies.model import Action
from policies.purge import WHOLE_DOCUMENT
from tests import catalogs
from tests.gateway.shells import Shell, environment_of
from tests.indexer.copies import Template, worked_on
from tests.indexer.workbench import ACTOR, Bench, File, everything_below, left_below, text
from tests.policies import handbook

SOURCE = "hr-handbook"
LEAVE, OLD, LOCKED, CASE = "leave.md", "archive/old.md", "locked.md", "people/case.md"
REFERENCE = ("--reference", "DSR-2026-031")
GROUND = ("--ground", "withdrawn_consent")
SOUGHT = "Wilhelmina Nowhere"
SCRIPT = Path(sys.executable).with_name("penstock")


def fill(bench: Bench) -> None:
    bench.clock.now = now = clock()
    young, old = now - timedelta(days=10), now - timedelta(days=720)
    bench.origin.files = {
        LEAVE: replace(text("Leave", "Twenty five days a year."), modified=young),
        OLD: replace(text("Old", "Twenty days a year."), modified=old),
        CASE: replace(text("A case", f"It is of {SOUGHT}, zed7@example.org."), modified=young),
        LOCKED: File(content=b"!encrypted", modified=young),
    }
    bench.sync(bench.apply())


@pytest.fixture(scope="module")
def governed(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with worked_on(blank, tmp_path_factory.mktemp("governed"), fill) as made:
        yield made


@pytest.fixture
def shell(governed: Template, tmp_path: Path) -> Iterator[Shell]:
    with governed.copied(tmp_path / "home") as bench:
        bench.clock.now = clock()
        yield Shell(bench=bench, source=handbook.source(), environment=environment_of(bench))


# Who acts


def test_a_person_is_proved_by_a_key_with_the_role_privacy(shell: Shell) -> None:
    officer = shell.key("ann", "--role", "privacy")
    shell.must("hold", "add", SOURCE, *REFERENCE, "--key", "-", given=officer + "\n")
    assert shell.last()[:2] == (Action.HOLD_PLACED, "caller:ann")
    path = shell.key_file("bob", "--role", "privacy")
    shell.must("restrict", "add", SOURCE, *REFERENCE, "--key", path)
    assert shell.last()[:2] == (Action.RESTRICTION_PLACED, "caller:bob")


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (lambda shell: shell.key_file("eve"), RefusedError, "needs the role privacy"),
        (lambda shell: shell.key_file("eve", "--role", "operator"), RefusedError, "needs the role privacy"),
        (lambda _: "/nowhere/key.txt", RefusedError, "cannot be read"),
        (lambda _: "-", UnauthenticatedError, ""),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("hold", "add", SOURCE, *REFERENCE),
        ("restrict", "add", SOURCE, *REFERENCE),
        ("erase", "run", SOURCE, "--document", LEAVE, *REFERENCE, *GROUND, "--yes"),
        ("erase", "find", SOURCE, "--subject", SOUGHT, *REFERENCE),
        ("erase", "refuse", SOURCE, *REFERENCE, "--exception", "legal_claims"),
    ],
)
def test_a_key_that_proves_no_officer_does_nothing(
    shell: Shell, key: Callable[[Shell], str], error: type[PenstockError], message: str, command: tuple[str, ...]
) -> None:
    presented = key(shell)
    records = len(shell.bench.audit())
    found = shell.refused(*command, "--key", presented, given="no key\n")
    assert isinstance(found, error)
    assert message in found.message
    assert len(shell.bench.audit()) == records
    assert shell.json("hold", "list") == shell.json("restrict", "list") == []
    assert shell.id(LEAVE) in shell.bench.served(shell.source)


# Holds and restrictions


def test_a_hold_is_placed_listed_and_released_by_two_persons(shell: Shell) -> None:
    said = shell.run("hold", "add", SOURCE, "--document", LEAVE, "--document", shell.id(OLD), "--reference", "LIT-1")
    ((hold,), action) = shell.json("hold", "list"), shell.last()
    assert said.stderr == f"{SOURCE}: hold {hold['id']} stands on 2 documents.\n"
    ids = sorted([shell.id(LEAVE), shell.id(OLD)])
    assert (hold["documents"], hold["placed_by"], hold["stands"]) == (ids, operator(), True)
    assert action == (
        Action.HOLD_PLACED,
        operator(),
        [SOURCE, hold["id"], *ids],
        {"reference": "LIT-1", "documents": 2, "notice": None},
    )
    counsel, officer = shell.key_file("eve", "--role", "privacy"), shell.key_file("bob", "--role", "privacy")
    again = shell.key_file("eve", "--role", "privacy")
    asked = shell.run("hold", "release", hold["id"], "--yes", "--key", counsel)
    assert "stands until another person releases it too" in asked.stderr
    assert "takes two persons" in shell.refused("hold", "release", hold["id"], "--yes", "--key", again).message
    assert "caller:eve asked for its release" in shell.must("hold", "list")
    released = shell.run("hold", "release", hold["id"], "--yes", "--key", officer)
    assert released.stderr == f"Hold {hold['id']} is released by caller:bob, as caller:eve had asked for.\n"
    assert shell.last()[:2] == (Action.HOLD_RELEASED, "caller:bob")
    assert isinstance(shell.refused("hold", "release", hold["id"], "--yes", "--key", officer), ConflictError)
    (ended,) = shell.json("hold", "list", "--source", SOURCE)
    assert (ended["stands"], ended["ended_by"]) == (False, "caller:bob")
    assert "by caller:bob" in shell.must("hold", "list")


def test_a_hold_is_not_released_without_being_asked(shell: Shell) -> None:
    shell.must("hold", "add", SOURCE, *REFERENCE)
    (hold,) = shell.json("hold", "list")
    officer = shell.key_file("bob", "--role", "privacy")
    assert "no terminal to ask at" in shell.refused("hold", "release", hold["id"], "--key", officer).message
    assert shell.json("hold", "list")[0]["asked_by"] is None


@pytest.mark.parametrize("group", ["hold", "restrict"])
def test_an_order_on_what_is_not_there_is_refused(shell: Shell, group: str) -> None:
    assert "has no document" in shell.refused(group, "add", SOURCE, "--document", "no.md", *REFERENCE).message
    assert "No source" in shell.refused(group, "add", "nothing", *REFERENCE).message
    assert "No source" in shell.refused(group, "list", "--source", "nothing").message
    assert "The reference" in shell.refused(group, "add", SOURCE, "--reference", " ").message
    assert shell.run(group, "list").stderr.startswith("There is no ")


def test_what_a_hold_keeps_and_its_origin_has_lost_can_be_held_again(shell: Shell) -> None:
    shell.must("hold", "add", SOURCE, "--document", LEAVE, *REFERENCE)
    del shell.bench.origin.files[LEAVE]
    shell.bench.sync(shell.source)
    for name in (LEAVE, shell.id(LEAVE)):
        shell.must("hold", "add", SOURCE, "--document", name, "--reference", "LIT-2")
        assert shell.last()[2][2:] == [shell.id(LEAVE)]
    request = ("erase", "run", SOURCE, "--document", LEAVE, *REFERENCE, *GROUND, "--yes")
    assert "stands on a document" in shell.refused(*request).message


def test_a_restriction_is_lifted_with_the_notice_to_the_data_subject(shell: Shell) -> None:
    shell.must("restrict", "add", SOURCE, "--document", CASE, *REFERENCE)
    (restriction,) = shell.json("restrict", "list")
    lift = ("restrict", "lift", restriction["id"], "--notice")
    assert "notice to the data subject" in shell.refused(*lift, "").message
    assert shell.run(*lift, "letter of 3 May").stderr == f"Restriction {restriction['id']} is lifted.\n"
    assert shell.last()[0] == Action.RESTRICTION_LIFTED
    assert shell.last()[3]["notice"] == "letter of 3 May"
    assert isinstance(shell.refused(*lift, "letter"), ConflictError)
    assert shell.json("restrict", "list")[0]["stands"] is False


def test_a_restriction_of_another_process_is_seen_here(shell: Shell) -> None:
    explain = ("explain", "--as", "ann", "--source", SOURCE, "--document", LEAVE, "--group", "staff", "--region", "gb")
    assert shell.run(*explain).exit_code == 0
    command = [str(SCRIPT), "restrict", "add", SOURCE, "--document", LEAVE, *REFERENCE]
    subprocess.run(command, env=shell.environment, check=True, timeout=60, capture_output=True)
    assert shell.run(*explain).exit_code == FINDINGS


@pytest.mark.parametrize("group", ["hold", "restrict"])
def test_nothing_protected_is_dropped_from_the_quarantine(shell: Shell, group: str) -> None:
    shell.must(group, "add", SOURCE, "--document", LOCKED, *REFERENCE)
    (order,) = shell.json(group, "list")
    records = len(shell.bench.audit())
    for which in ((LOCKED,), ("--reason", "encrypted")):
        error = shell.refused("quarantine", "drop", SOURCE, *which, "--yes")
        assert isinstance(error, ConflictError)
        assert order["id"] in error.message
    assert shell.bench.documents(shell.source)[shell.id(LOCKED)].revision.sealed
    assert len(shell.bench.audit()) == records
    shell.must("quarantine", "list", SOURCE)
    if group == "restrict":
        shell.must("restrict", "lift", order["id"], "--notice", "a letter")
        shell.must("quarantine", "drop", SOURCE, LOCKED, "--yes")
        assert not shell.bench.documents(shell.source)[shell.id(LOCKED)].revision.sealed


def test_a_plan_of_a_purge_names_what_an_order_keeps(shell: Shell) -> None:
    shell.must("hold", "add", SOURCE, "--document", OLD, *REFERENCE)
    (hold,) = shell.json("hold", "list")
    shorter = shell.bench.apply(("period: P2Y", "period: P1Y"))
    planned = shell.json("purge", "plan", SOURCE)
    assert planned["documents"] == []
    assert planned["kept"] == [{"document": shell.id(OLD), "order": hold["id"], "kind": "hold"}]
    assert f"kept by the hold {hold['id']}" in shell.must("purge", "plan", SOURCE)
    assert erase.purge(shell.bench.workshop, shorter, actor=ACTOR) == ()
    told = shell.run("purge", "run", SOURCE).stderr
    assert "1 documents are due and stay, by an order" in told
    assert "Nothing is to be deleted" in told


# Erasure


def test_who_is_looked_for_is_found_and_kept_nowhere(shell: Shell) -> None:
    found = shell.json("erase", "find", SOURCE, "--subject", SOUGHT.upper(), *REFERENCE)
    assert found == [{"document": shell.id(CASE), "origin_id": CASE, "named": False, "passages": 1}]
    assert shell.last() == (
        Action.SUBJECT_SEARCHED, operator(), [SOURCE, shell.id(CASE)], {"reference": REFERENCE[1], "documents": 1},
    )  # fmt: skip
    assert CASE in shell.must("erase", "find", SOURCE, "--subject", "zed7@example.org", *REFERENCE)
    nobody = "zebulon.pike@example.org"
    result = shell.run("erase", "find", SOURCE, "--subject", "-", *REFERENCE, given=f"{nobody}\n\nZebulon Pike\n")
    assert (result.exit_code, result.stderr) == (0, f"{SOURCE}: no document mentions the person.\n")
    for folder in (shell.bench.home.root, catalogs.folder(shell.bench.home.catalog)):
        catalogs.flush(shell.bench.home.catalog)
        assert left_below(folder, [b"ebulon", b"pike@", b"zed7@example.org", SOUGHT.encode()]) == set()


def test_a_key_and_a_person_can_both_come_by_standard_input(shell: Shell) -> None:
    officer = shell.key("ann", "--role", "privacy")
    find = ("erase", "find", SOURCE, "--subject", "-", "--key", "-", *REFERENCE)
    assert CASE in shell.must(*find, given=f"{officer}\n{SOUGHT}\n")
    assert shell.last()[1] == "caller:ann"


@pytest.mark.parametrize("subject", [(), ("--subject", "Bo"), ("--subject", "-")])
def test_it_must_be_clear_who_is_meant(shell: Shell, subject: tuple[str, ...]) -> None:
    records = len(shell.bench.audit())
    assert isinstance(shell.refused("erase", "find", SOURCE, *subject, *REFERENCE, given="\n"), RefusedError)
    assert len(shell.bench.audit()) == records


def test_all_that_mentions_a_person_is_erased_with_a_receipt(shell: Shell, tmp_path: Path) -> None:
    receipts = tmp_path / "receipts"
    arguments = (
        "erase", "run", SOURCE, "--subject", SOUGHT, "--document", OLD, *REFERENCE, *GROUND,
        "--receipt-dir", str(receipts), "--yes", "--json",
    )  # fmt: skip
    result = shell.run(*arguments)
    assert result.exit_code == 0
    assert set(result.stderr.splitlines()[:2]) == {f"  {CASE}", f"  {OLD}"}
    (signed,) = json.loads(result.stdout)
    assert set(signed["receipt"]["documents"]) == {shell.id(CASE), shell.id(OLD)}
    assert (signed["receipt"]["kind"], signed["receipt"]["reference"]) == ("erasure", REFERENCE[1])
    (path,) = receipts.iterdir()
    assert json.loads(path.read_text()) == signed
    assert shell.must("purge", "check", str(path)).startswith("Genuine")
    assert shell.bench.keyring.tombstones() == {(shell.id(name), WHOLE_DOCUMENT) for name in (CASE, OLD)}
    assert SOUGHT.encode() not in b"".join(everything_below(shell.bench.home.root).values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--document", LEAVE, *REFERENCE, *GROUND), "no terminal to ask at"),
        ((*REFERENCE, *GROUND, "--yes"), "nothing to erase"),
        (("--subject", "Nobody Whatever", *REFERENCE, *GROUND, "--yes"), "nothing to erase"),
        (("--document", "no.md", *REFERENCE, *GROUND, "--yes"), "has no document"),
        (("--document", LEAVE, *REFERENCE, "--ground", "because", "--yes"), "no ground"),
        (("--document", LEAVE, "--reference", "", *GROUND, "--yes"), "reference of the request"),
        (("--document", LEAVE, *REFERENCE, *GROUND, "--yes", "--receipt-dir", "{home}/receipts"), "inside the home"),
        (("--document", LEAVE, *REFERENCE, *GROUND, "--yes", "--receipt-dir", "/proc/receipts"), "can be written"),
    ],
)
def test_an_erasure_that_is_not_in_order_deletes_nothing(
    shell: Shell, arguments: tuple[str, ...], message: str
) -> None:
    served = shell.bench.served(shell.source)
    given = [argument.format(home=shell.bench.home.root) for argument in arguments]
    assert message in shell.refused("erase", "run", SOURCE, *given).message
    assert shell.bench.served(shell.source) == served
    assert shell.bench.keyring.tombstones() == frozenset()


def test_an_erasure_while_a_hold_stands_is_refused_and_the_refusal_recorded(shell: Shell) -> None:
    shell.must("hold", "add", SOURCE, "--document", LEAVE, *REFERENCE)
    (hold,) = shell.json("hold", "list")
    error = shell.refused("erase", "run", SOURCE, "--document", LEAVE, *REFERENCE, *GROUND, "--yes")
    assert isinstance(error, ConflictError)
    assert hold["id"] in error.message
    refuse = ("erase", "refuse", SOURCE, *REFERENCE, "--exception")
    assert "no exception" in shell.refused(*refuse, "too_much_work").message
    result = shell.run(*refuse, "legal_claims")
    assert result.stderr == f"{SOURCE}: the refusal of {REFERENCE[1]} is recorded, by Art. 17(3)(e).\n"
    assert shell.last() == (
        Action.ERASURE_REFUSED, operator(), [SOURCE],
        {"reference": REFERENCE[1], "exception": "legal_claims", "article": "17(3)(e)"},
    )  # fmt: skip


@pytest.mark.parametrize("by_name", [True, False])
def test_an_erased_document_is_let_in_again_by_its_name_or_id(shell: Shell, *, by_name: bool) -> None:
    shell.must("erase", "run", SOURCE, "--document", LEAVE, *REFERENCE, *GROUND, "--yes")
    name = LEAVE if by_name else shell.id(LEAVE)
    assert "was not erased" in shell.refused("erase", "lift", SOURCE, OLD, *REFERENCE).message
    result = shell.run("erase", "lift", SOURCE, name, *REFERENCE)
    assert result.stderr == f"{SOURCE}: {shell.id(LEAVE)} may be taken in again. Next: penstock sync {SOURCE}\n"
    assert shell.last()[:3] == (Action.ERASURE_LIFTED, operator(), [SOURCE, shell.id(LEAVE)])
    assert shell.bench.keyring.tombstones() == frozenset()


# Explaining


def test_a_decision_is_explained_step_by_step(shell: Shell) -> None:
    shell.key("ann", "--group", "staff")
    told = shell.json("explain", "--as", "ann", "--source", SOURCE, "--document", LEAVE)
    assert (told["permitted"], told["reason"], told["document"]) == (True, None, shell.id(LEAVE))
    assert all(step["code"] is None for step in told["steps"])
    shown = shell.must("explain", "--as", "ann", "--source", SOURCE)
    assert shown.endswith(f"ann may ask {SOURCE} for employee-support.\n")
    assert shell.must("explain", "--as", "ann", "--source", SOURCE, "--document", shell.id(LEAVE)).endswith(
        f"ann may read {SOURCE} {shell.id(LEAVE)} for employee-support.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--document", "never.md"), "document_unknown"),
        (("--document", LOCKED), "not_indexed"),
        (("--document", LEAVE, "--group", "temps"), "no_allow_rule"),
        (("--document", LEAVE, "--region", "us"), "caller_region"),
        (("--purpose", "marketing"), "purpose_not_of_source"),
    ],
)
def test_a_denial_ends_with_its_reason_and_code(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    shell.key("ann", "--group", "staff")
    result = shell.run("explain", "--as", "ann", "--source", SOURCE, *arguments)
    assert result.exit_code == FINDINGS
    assert f": {reason}. " in result.stdout.splitlines()[-1]
    told = shell.run("explain", "--as", "ann", "--source", SOURCE, *arguments, "--json")
    assert (told.exit_code, json.loads(told.stdout)["reason"]) == (FINDINGS, reason)


def test_an_erased_document_is_explained_by_the_name_it_had(shell: Shell) -> None:
    shell.must("erase", "run", SOURCE, "--document", LEAVE, *REFERENCE, *GROUND, "--yes")
    shell.key("ann", "--group", "staff")
    for name in (LEAVE, shell.id(LEAVE)):
        result = shell.run("explain", "--as", "ann", "--source", SOURCE, "--document", name, "--json")
        assert json.loads(result.stdout)["reason"] == "erased"


def test_whom_nobody_knows_is_explained_by_what_a_token_would_say(shell: Shell) -> None:
    explain = ("explain", "--as", "carl", "--source", SOURCE, "--document", LEAVE)
    assert "has 0 API keys in force" in shell.refused(*explain).message
    assert shell.json(*explain, "--group", "staff", "--region", "gb")["permitted"]
    for _ in range(2):
        shell.key("carl", "--group", "staff")
    several = shell.refused(*explain)
    assert "has 2 API keys" in several.message
    one = several.mend.split()[2].strip(",.")
    assert one.startswith("key:")
    assert shell.json("explain", "--as", one, "--source", SOURCE, "--document", LEAVE)["permitted"]


def test_an_agent_is_explained_by_its_grant(shell: Shell) -> None:
    shell.key("ann", "--group", "staff")
    explain = ("explain", "--as", "ann", "--source", SOURCE, "--document", LEAVE, "--agent", "bot-7")
    assert "has 0 grants in force" in shell.refused(*explain).message
    shell.must(
        "agent", "grant", "--issuer", "https://issuer.example", "--agent", "bot-7", "--group", "temps",
        "--purpose", "employee-support", "--region", "gb",
    )  # fmt: skip
    result = shell.run(*explain, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["agent"], told["reason"]) == (FINDINGS, "bot-7", "agent_no_allow_rule")


# What a manifest would change


def manifest(shell: Shell, *swaps: tuple[str, str]) -> str:
    path = shell.bench.home.root.parent / "hr.yaml"
    (shell.bench.home.root.parent / "hr").mkdir(exist_ok=True)
    path.write_text(handbook.bend(*swaps), "utf-8")
    return str(path)


def test_a_plan_tells_which_callers_and_documents_gain_and_lose(shell: Shell) -> None:
    shell.key("ann", "--group", "staff")
    shell.key("bob", "--group", "legal")
    shell.must("restrict", "add", SOURCE, "--document", OLD, *REFERENCE)
    path = manifest(shell, ("allow: [group:staff]", "allow: [group:legal]"), ("period: P2Y", "period: P1Y"))
    records = len(shell.bench.audit())
    (told,) = shell.json("plan", path, "--documents")
    assert (told["gaining"], told["losing"], told["documents"]) == ({"group:legal": 3}, {"group:staff": 3}, 3)
    effects = {one["subject"]: (one["before"], one["after"], one["served"]) for one in told["callers"]}
    assert effects == {"ann": (2, 0, True), "bob": (0, 2, True)}
    assert (told["due"], told["kept"]) == (1, [shell.id(OLD)])
    assert set(told["names"].values()) == set(shell.bench.origin.files)
    shown = shell.must("plan", path, "--documents")
    for line in (
        "group:legal gains 3 documents.", f"    {LEAVE}\n", "ann (key:", ": 2 → 0 documents.",
        "1 documents are past the retention", "1 of them stay, by a hold or a restriction.",
    ):  # fmt: skip
        assert line in shown
    assert LEAVE not in shell.must("plan", path)
    assert len(shell.bench.audit()) == records


def test_a_plan_tells_conflicts_and_transfers_that_have_lapsed(shell: Shell) -> None:
    shell.key("ann", "--group", "staff", "--region", "us")
    transfer = "transfers: [{to: in, mechanism: idta, reference: TIA-9, checked_on: 2020-05-01}]"
    path = manifest(
        shell, ("store: [gb], process: [gb], serve: [gb, eu], transfers: []",
                f"store: [fr], process: [fr], serve: [gb, eu], {transfer}"),
    )  # fmt: skip
    (told,) = shell.json("plan", path)
    codes = {conflict["code"] for conflict in told["conflicts"]}
    assert {"process_region", "store_region"} <= codes
    assert told["lapsed_transfers"] == ["TIA-9"]
    assert [one["served"] for one in told["callers"]] == [False]
    shown = shell.must("plan", path)
    assert "Conflict (store_region): The source may not be stored" in shown
    assert "the transfer to in by idta (TIA-9) carries nothing" in shown
    assert "is in us, which is not served." in shown


def test_a_plan_warns_of_what_is_no_longer_redacted(shell: Shell) -> None:
    options = "keep: [UK_NINO], allow: [Ada Lovelace Building], output: {PERSON: opaque}"
    path = manifest(shell, ("languages: [en, fr]}", f"languages: [en, fr], {options}}}"))
    (told,) = shell.json("plan", path)
    assert (told["unredacted"], told["allowed"], told["reingest"]) == (["UK_NINO"], 1, True)
    assert told["outdated"] == told["documents"]
    shown = shell.must("plan", path)
    for line in (
        "policy.redaction.output.PERSON: opaque",
        "Values of the kind UK_NINO stay in texts",
        "1 allowed strings stay in texts",
        "The next sync will read every document again.",
    ):
        assert line in shown


def test_a_kind_that_there_is_not_is_told_with_its_line(shell: Shell) -> None:
    path = manifest(shell, ("languages: [en, fr]}", "languages: [en, fr], also: [LOCATIONS]}"))
    told = json.loads(shell.run("check", path, "--json").stdout)
    (error,) = told["errors"]
    assert (error["line"], error["key"]) == (22, "policy.redaction.also")
    assert "LOCATION" in error["mend"]
