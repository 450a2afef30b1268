"""`penstock reveal`: who is shown the value behind a pseudonym, of which documents, and what is on record of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from gateway.wiring import clock
from indexer import catalog, erase, revisions, vault
from indexer.content import VAULT_BLOCK_BYTES, open_vault, seal_vault
from indexer.outcome import Outcome
from indexer.redact import pseudonym
from indexer.vault import MAX_REVEALS
from policies.errors import ConflictError, IntegrityError, PenstockError, RefusedError, UnauthenticatedError
from policies.model import Action, DocumentId
from policies.purge import ErasureRequest
from tests import catalogs
from tests.gateway.shells import Shell, environment_of
from tests.indexer.copies import Template
from tests.indexer.workbench import ACTOR, Bench, left_below, text
from tests.policies import handbook

LETTER, MINUTES, OTHER = "letter.md", "minutes.md", "other.md"
ADDRESS, RARE = "zedekiah@example.org", "zedna@example.org"
WITH_VAULT = ("languages: [en, fr]", "languages: [en, fr], vault: true")
REASON = ("--reason", "DSR-2026-031")


def fill(bench: Bench) -> None:
    bench.clock.now = now = clock()
    source = bench.apply(WITH_VAULT)
    bench.origin.files = {
        name: replace(file, modified=now - timedelta(days=10))
        for name, file in {
            LETTER: text(f"To {ADDRESS}", f"Write to {ADDRESS}.", "And to nobody else."),
            MINUTES: text("Minutes", f"{ADDRESS} spoke.", f"So did {RARE}."),
            OTHER: text("Other", "Nobody is named."),
        }.items()
    }
    bench.sync(source)


@contextmanager
def another(filled: Template, folder: Path) -> Iterator[Shell]:
    with filled.copied(folder) as bench:
        bench.clock.now = clock()
        yield Shell(bench=bench, source=handbook.source(WITH_VAULT), environment=environment_of(bench))


@pytest.fixture
def shell(filled: Template, tmp_path: Path) -> Iterator[Shell]:
    with another(filled, tmp_path / "home") as made:
        yield made


@pytest.fixture
def key(shell: Shell) -> str:
    return shell.key_file("ann", "--role", "privacy")


@pytest.fixture(scope="module")
def kept(filled: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """For tests that leave all as it was: commands that are refused, and looks at what is stored."""
    folder = tmp_path_factory.mktemp("kept")
    with another(filled, folder / "home") as made:
        yield made
    catalogs.drop(folder)


@pytest.fixture(scope="module")
def kept_key(kept: Shell) -> str:
    return kept.key_file("ann", "--role", "privacy")


def token(shell: Shell, value: str = ADDRESS) -> str:
    return pseudonym("EMAIL_ADDRESS", value, key=shell.bench.keyring.pseudonym_key(shell.source.name))


def asked(shell: Shell, key: str, value: str = ADDRESS) -> tuple[str, ...]:
    return ("reveal", shell.source.name, token(shell, value), *REASON, "--key", key)


def reveals(shell: Shell) -> list[tuple[str, list[str], dict[str, object]]]:
    records = (record for record in shell.bench.audit() if record.action == Action.VALUE_REVEALED)
    return [(record.actor, json.loads(record.objects), json.loads(record.detail)) for record in records]


def not_shown(shell: Shell, *arguments: str, given: str | None = None) -> PenstockError:
    """The refusal of a command that showed nothing and put nothing on record."""
    before = reveals(shell)
    result = shell.run(*arguments, given=given)
    assert isinstance(result.exception, PenstockError), result.output
    said = f"{result.output}{result.stderr}{result.exception}"
    assert (result.stdout, "zed" in said) == ("", False)
    assert reveals(shell) == before
    return result.exception


def test_the_value_is_shown_alone_and_is_on_record_without_it(shell: Shell, key: str) -> None:
    result = shell.run(*asked(shell, key))
    assert result.stdout == f"{ADDRESS}\n"
    assert result.stderr.endswith("caller:ann is on record. The value stands in 2 documents, 0 of them on hold.\n")
    named = [shell.source.name, token(shell)]
    assert reveals(shell) == [("caller:ann", named, {"documents": 2, "reason": "DSR-2026-031"})]
    assert left_below(shell.bench.home.root, [ADDRESS.encode(), RARE.encode()]) == set()


def test_brackets_may_be_left_out_and_a_reason_may_hold_a_pseudonym(shell: Shell, key: str) -> None:
    bare = token(shell, RARE).strip("[]")
    reason = f"who is {token(shell)} to [PERSON_{'a' * 20}]?"
    assert shell.must("reveal", shell.source.name, bare, "--reason", reason, "--key", key) == f"{RARE}\n"
    assert reveals(shell)[0][2] == {"documents": 1, "reason": reason}


@pytest.mark.parametrize("options", [(), ("--role", "operator"), ("--role", "auditor"), ("--role", "reviewer")])
def test_it_takes_the_role_privacy(kept: Shell, options: tuple[str, ...]) -> None:
    other = kept.key_file("eve", *options)
    assert "role privacy" in str(not_shown(kept, *asked(kept, other)))


def test_it_takes_a_person(kept: Shell) -> None:
    assert isinstance(not_shown(kept, *asked(kept, "-"), given="pk_forged\n"), UnauthenticatedError)
    result = kept.run(*asked(kept, "-")[:-2])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 301])
def test_it_takes_a_reason(kept: Shell, kept_key: str, reason: str) -> None:
    asking = ("reveal", kept.source.name, token(kept), "--reason", reason, "--key", kept_key)
    assert isinstance(not_shown(kept, *asking), RefusedError)


@pytest.mark.parametrize(
    "forged", ["", "zedekiah@example.org", "[EMAIL_ADDRESS]", "[EMAIL_ADDRESS_", "email_address_abcdefghijklmnopabcd"]
)
def test_what_is_no_pseudonym_is_refused_and_not_repeated(kept: Shell, kept_key: str, forged: str) -> None:
    refused = not_shown(kept, "reveal", kept.source.name, forged, *REASON, "--key", kept_key)
    assert refused.message == "That is no pseudonym."


def test_a_pseudonym_that_was_made_up_or_is_of_another_source_means_nothing(kept: Shell, kept_key: str) -> None:
    of_another = pseudonym("EMAIL_ADDRESS", ADDRESS, key=b"another source's" * 2)
    for other in (f"[EMAIL_ADDRESS_{'a' * 20}]", of_another, token(kept, "zednobody@example.org")):
        refused = not_shown(kept, "reveal", kept.source.name, other, *REASON, "--key", kept_key)
        assert "has this pseudonym in its vault" in refused.message
    assert "No source 'another'" in str(not_shown(kept, "reveal", "another", token(kept), *REASON, "--key", kept_key))


# What becomes of documents


def restrict(shell: Shell) -> None:
    shell.must("restrict", "add", shell.source.name, "--document", MINUTES, "--reference", "DSR-1")


def restrict_all(shell: Shell) -> None:
    shell.must("restrict", "add", shell.source.name, "--reference", "DSR-1")


def erase_one(shell: Shell) -> None:
    request = ErasureRequest(documents=frozenset({shell.id(MINUTES)}), reference="DSR-1", ground="withdrawn_consent")
    erase.erase(shell.bench.workshop, shell.source, request, actor=ACTOR)


def remove(shell: Shell) -> None:
    del shell.bench.origin.files[MINUTES]
    shell.bench.sync(shell.source)


def bury(shell: Shell) -> None:
    """As a catalog from before an erasure, whose keys were put back as well."""
    shell.bench.keyring.entomb({shell.id(MINUTES): ""}, purge="p", now=shell.bench.clock())


def destroy_key(shell: Shell) -> None:
    shell.bench.keyring.destroy(keys=[revision_of(shell, MINUTES).id])


def suspend(shell: Shell) -> None:
    shell.bench.apply(WITH_VAULT, ("state: active", "state: suspended"))


def expire(shell: Shell) -> None:
    shell.bench.apply(WITH_VAULT, ("period: P2Y", "period: P5D"))


def switch_off(shell: Shell) -> None:
    shell.bench.apply()


@pytest.mark.parametrize(
    "happens",
    [restrict, restrict_all, erase_one, remove, bury, destroy_key, suspend, expire, switch_off],
)
def test_what_may_not_be_looked_into_tells_nothing(shell: Shell, key: str, happens: Callable[[Shell], None]) -> None:
    happens(shell)
    refused = not_shown(shell, *asked(shell, key, RARE))
    assert ("keeps no vault" in refused.message) is (happens is switch_off)


def test_others_that_hold_the_value_still_tell_it(shell: Shell, key: str) -> None:
    restrict(shell)
    assert shell.must(*asked(shell, key)) == f"{ADDRESS}\n"
    assert reveals(shell)[0][2]["documents"] == 1


def test_a_hold_hinders_nothing_and_is_told(shell: Shell, key: str) -> None:
    shell.must("hold", "add", shell.source.name, "--document", MINUTES, "--reference", "LIT-1")
    result = shell.run(*asked(shell, key))
    assert result.stdout == f"{ADDRESS}\n"
    assert "2 documents, 1 of them on hold" in result.stderr


def test_an_order_that_is_placed_while_vaults_are_read_counts(
    shell: Shell, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spellings = vault._spellings  # noqa: SLF001 - where the order comes in between

    def overtaken(*arguments: object) -> dict[DocumentId, str]:
        found = spellings(*arguments)  # type: ignore[arg-type]
        restrict(shell)
        return found

    monkeypatch.setattr(vault, "_spellings", overtaken)
    assert "has this pseudonym" in not_shown(shell, *asked(shell, key, RARE)).message


# The vault itself


def revision_of(shell: Shell, name: str) -> catalog.Revision:
    return shell.bench.documents(shell.source)[shell.id(name)].revision


def sealed_vault(shell: Shell, name: str) -> bytes | None:
    with shell.bench.database.reading() as session:
        return revisions.vault(session, revision_of(shell, name).id)


def test_without_the_option_nothing_is_kept(shell: Shell) -> None:
    before = {name: sealed_vault(shell, name) for name in (LETTER, MINUTES, OTHER)}
    assert None not in before.values()
    off = shell.bench.apply()
    assert shell.bench.sync(off).counts[Outcome.INDEXED] == len(before)
    with shell.bench.database.reading() as session:
        assert session.connection().execute(sql("SELECT count(*) FROM passage WHERE ordinal < 0")).scalar() == 0


def test_its_length_does_not_tell_how_long_a_name_is(kept: Shell) -> None:
    found = {name: sealed_vault(kept, name) or b"" for name in (LETTER, MINUTES, OTHER)}
    overhead = 12 + 16
    assert {len(sealed) for sealed in found.values()} == {VAULT_BLOCK_BYTES + overhead}


@pytest.mark.parametrize("damage", ["flipped", "of another document", "no vault at all"])
def test_a_vault_that_was_changed_is_not_believed(shell: Shell, key: str, damage: str) -> None:
    sealed, other = sealed_vault(shell, MINUTES), sealed_vault(shell, LETTER)
    assert sealed
    assert other
    changed = {"flipped": sealed[:-1] + bytes([sealed[-1] ^ 1]), "of another document": other, "no vault at all": b""}
    with shell.bench.database.writing() as session:
        session.connection().execute(
            sql("UPDATE passage SET text = :text WHERE revision = :revision AND ordinal = -1"),
            {"text": changed[damage], "revision": revision_of(shell, MINUTES).id},
        )
    assert isinstance(not_shown(shell, *asked(shell, key, RARE)), IntegrityError)


def test_odd_values_come_back_as_they_were(kept: Shell) -> None:
    revision = revision_of(kept, OTHER).id
    lent = kept.bench.keyring.document_keys([revision])[revision]
    values = {"[PERSON_a]": "Zoë\n\udcff ", "[PERSON_b]": "x" * 700, "[PERSON_c]": ""}
    assert open_vault(lent, revision, seal_vault(lent, revision, values)) == values


def test_an_erasure_ends_it_though_its_pseudonym_is_on_record(shell: Shell, key: str) -> None:
    vaulted = sealed_vault(shell, LETTER) or b""
    # The letter's title is a pseudonym and nothing else, so that its erasure looks for it in every file.
    shell.bench.origin.files[LETTER] = replace(shell.bench.origin.files[LETTER], content=f"# {ADDRESS}\nYes.".encode())
    shell.bench.sync(shell.source)
    anew = sealed_vault(shell, LETTER) or b""
    shell.must(*asked(shell, key))
    request = ErasureRequest(
        documents=frozenset({shell.id(LETTER), shell.id(MINUTES)}), reference="DSR-1", ground="withdrawn_consent"
    )
    assert erase.erase(shell.bench.workshop, shell.source, request, actor=ACTOR)
    shell.bench.database.checkpoint()
    assert left_below(shell.bench.home.root, [vaulted[:28], anew[:28], ADDRESS.encode()]) == set()
    assert token(shell).encode() in b"".join(path.read_bytes() for path in shell.bench.home.root.glob("catalog.db*"))
    assert "has this pseudonym" in not_shown(shell, *asked(shell, key)).message


# The rate, and the record


def test_one_person_is_shown_so_many_an_hour_and_another_is_not_hindered(shell: Shell) -> None:
    workshop = shell.bench.workshop
    for number in range(MAX_REVEALS):
        shell.bench.clock.forward(timedelta(minutes=1) if number else timedelta())
        vault.reveal(workshop, shell.source, token(shell), reason="DSR-1", by="caller:ann")
    with pytest.raises(ConflictError, match="shown 20 values within an hour"):
        vault.reveal(workshop, shell.source, token(shell), reason="DSR-1", by="caller:ann")
    assert vault.reveal(workshop, shell.source, token(shell), reason="DSR-1", by="caller:bob").value == ADDRESS
    shell.bench.clock.forward(timedelta(minutes=41))
    assert vault.reveal(workshop, shell.source, token(shell), reason="DSR-1", by="caller:ann").value == ADDRESS
    with pytest.raises(ConflictError):
        vault.reveal(workshop, shell.source, token(shell), reason="DSR-1", by="caller:ann")
    assert len(reveals(shell)) == MAX_REVEALS + 2


def test_nothing_is_shown_where_the_record_cannot_be_written(shell: Shell, key: str) -> None:
    with shell.bench.database.writing() as session:
        session.connection().execute(
            sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
        )
    assert not_shown(shell, *asked(shell, key)).code == "audit_unavailable"


def test_a_plan_says_that_values_can_be_brought_back(shell: Shell, tmp_path: Path) -> None:
    switch_off(shell)
    path = tmp_path / "hr.yaml"
    path.write_text(handbook.bend(WITH_VAULT), "utf-8")
    (told,) = shell.json("plan", str(path))
    assert (told["vault"], told["reingest"]) == (True, True)
    shown = shell.must("plan", str(path))
    assert "policy.redaction.vault" in shown
    assert "can be brought back by penstock reveal" in shown
    path.write_text(handbook.bend((WITH_VAULT[0], f"{WITH_VAULT[1]}, output: {{default: mask}}")), "utf-8")
    (error,) = json.loads(shell.run("check", str(path), "--json").stdout)["errors"]
    assert (error["line"], error["key"]) == (22, "policy.redaction.vault")


def test_only_the_command_opens_vaults() -> None:
    root = Path(vault.__file__).parents[1]
    opening = {
        str(path.relative_to(root))
        for package in ("gateway", "indexer")
        for path in (root / package).rglob("*.py")
        if "open_vault" in (code := path.read_text("utf-8"))
        or "import catalog, vault" in code
        or "indexer.vault" in code
    }
    assert opening == {"gateway/cli/revealing.py", "indexer/vault.py", "indexer/content.py"}
