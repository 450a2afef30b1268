"""What a manifest asks of redaction: unknown kinds, kept secrets and allowed identifiers are refused."""

import pytest

from indexer import probe
from indexer.recognisers import PROFILES
from indexer.rules import RedactionRules, problems
from policies.errors import RefusedError
from policies.manifest import Pattern, Redaction

STAFF = {"entity": "STAFF_NUMBER", "regex": "NW-[0-9]{6}"}


def clause(**more: object) -> Redaction:
    return Redaction.model_validate({"profile": "strict", "languages": ["en"], **more})


def test_kinds_are_added_and_taken_out() -> None:
    rules = RedactionRules.of(clause(profile="balanced", also=["LOCATION"], keep=["UK_NINO"], patterns=[STAFF]))
    assert rules.entities == PROFILES["balanced"] - {"UK_NINO"} | {"LOCATION", "STAFF_NUMBER"}


def test_a_kind_takes_its_own_output_else_the_default_else_a_pseudonym() -> None:
    rules = RedactionRules.of(clause(output={"default": "opaque", "PERSON": "drop"}))
    assert (rules.mode("PERSON"), rules.mode("IBAN_CODE")) == ("drop", "opaque")
    assert RedactionRules.of(clause()).mode("PERSON") == "pseudonym"


@pytest.mark.parametrize(
    ("more", "key", "mend"),
    [
        ({"also": ["LOCATIONS"]}, "also", "Did you mean LOCATION"),
        ({"keep": ["IPADDRESS"]}, "keep", "IP_ADDRESS"),
        ({"output": {"CARD": "mask"}}, "output", "CREDIT_CARD"),
        ({"also": ["XYZZY"]}, "also", "Write one of: "),
        ({"keep": ["SECRET"]}, "keep", "Remove it."),
        ({"keep": ["LONG_TOKEN"]}, "keep", "Remove it."),
        ({"patterns": [STAFF | {"entity": "PERSON"}]}, "patterns", "another name"),
        ({"allow": ["4111 1111 1111 1111"]}, "allow", "Remove it"),
        ({"allow": ["the account GB82 WEST 1234 5698 7654 32"]}, "allow", "Remove it"),
        ({"allow": ["AB 12 34 56 C"]}, "allow", "Remove it"),
        ({"allow": ["password: hunter2!"]}, "allow", "Remove it"),
        ({"allow": ["\u3164\u3164"]}, "allow", "letters or digits that can be seen"),
        ({"patterns": [STAFF | {"context": ["\u3164"]}]}, "patterns", "letters or digits that can be seen"),
        ({"vault": True, "output": {"default": "opaque"}}, "vault", "Remove it"),
        ({"vault": True, "output": {"default": "drop", "SECRET": "pseudonym"}}, "vault", "not a secret"),
    ],
)
def test_what_cannot_be_or_must_not_is_refused(more: dict[str, object], key: str, mend: str) -> None:
    asked = clause(**more)
    (problem,) = problems(asked)
    assert problem.place[:3] == ("policy", "redaction", key)
    assert mend in problem.mend
    assert not any(entry in problem.message for entry in asked.allow)
    with pytest.raises(RefusedError):
        RedactionRules.of(asked)


@pytest.mark.parametrize(
    "output", [{}, {"default": "opaque", "PERSON": "pseudonym"}, {"default": "mask", "STAFF_NUMBER": "pseudonym"}]
)
def test_a_vault_needs_a_kind_that_becomes_a_pseudonym(output: dict[str, str]) -> None:
    assert not list(problems(clause(vault=True, output=output, patterns=[STAFF])))


@pytest.mark.parametrize("entry", ["Ada Lovelace Building", "+44 20 7946 0958", "press@northwind.example", "10.0.0.1"])
def test_names_and_public_contacts_may_be_allowed(entry: str) -> None:
    assert not list(problems(clause(allow=[entry])))


def test_patterns_are_tried_on_texts_made_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    badge = {"entity": "BADGE", "regex": "[a-z]+@[a-z]+", "context": ["badge"]}
    # No pattern that is taken is so slow, so there is more text than any could do in time.
    made = {"BADGE": probe.worst_text(Pattern.model_validate(badge)), "STAFF_NUMBER": "NW-123456 " * 300_000}
    monkeypatch.setattr(probe, "worst_text", lambda pattern: made[pattern.entity])
    (slow,) = probe.problems(clause(patterns=[badge, STAFF]))
    assert slow.place == ("policy", "redaction", "patterns", 1, "regex")
