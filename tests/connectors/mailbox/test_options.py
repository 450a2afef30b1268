from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.mailbox import MailboxConnector
from connectors.mailbox.imap import Imap
from connectors.mailbox.wire import Account
from connectors.secrets import Secrets
from policies.errors import RefusedError
from tests.connectors.mailbox.certificates import self_signed

MBOX: Mapping[str, object] = {"format": "mbox", "root": "mails", "include": ["**"]}
IMAP: Mapping[str, object] = {
    "format": "imap",
    "host": "imap.x.example",
    "username": "ann",
    "password": {"env": "MAIL_PASSWORD"},
    "include": ["INBOX"],
}
SECRETS = Secrets(environment={"MAIL_PASSWORD": "s3cret", "BROKEN": "a\r\nb"}, base=Path("/nowhere"))


def made(base: Mapping[str, object], **options: object) -> MailboxConnector:
    """A connector of options; one that is None is left out."""
    given = {key: value for key, value in (dict(base) | options).items() if value is not None}
    return MailboxConnector.from_options(given, secrets=SECRETS)


def account(**options: object) -> Account:
    store = made(IMAP, **options).store
    assert isinstance(store, Imap)
    return store.account


@pytest.mark.parametrize(
    ("base", "options", "named"),
    [
        (MBOX, {"format": None}, "format"),
        (MBOX, {"format": "pst"}, "format"),
        (MBOX, {"root": None}, "root"),
        (MBOX, {"root": ""}, "root"),
        (MBOX, {"root": "a\0b"}, "root"),
        (MBOX, {"root": 1}, "root"),
        (MBOX, {"include": None}, "include"),
        (MBOX, {"include": []}, "include"),
        (MBOX, {"include": "**"}, "include"),
        (MBOX, {"include": [1]}, "include"),
        (MBOX, {"exclude": []}, "exclude"),
        (MBOX, {"include": ["/abs"]}, "/abs"),
        (MBOX, {"roots": "x"}, "roots"),
        (MBOX, {"host": "x"}, "host"),
        (MBOX, {"groups": ["all@x.example"]}, "groups"),
        (MBOX, {"groups": {"all": "group:staff"}}, "groups"),
        (MBOX, {"groups": {"All <all@x.example>": "group:staff"}}, "groups"),
        (MBOX, {"groups": {1: "group:staff"}}, "groups"),
        (MBOX, {"groups": {"all@x.example": "staff"}}, "groups"),
        (MBOX, {"groups": {"all@x.example": "group:*"}}, "groups"),
        (MBOX, {"groups": {"all@x.example": ["group:staff"]}}, "groups"),
        (MBOX, {"groups": {"all@x.example": "group:a", "ALL@x.example": "group:b"}}, "groups"),
        (MBOX, {"owner": "user:ann"}, "owner"),
        (MBOX, {"owner": ["ann"]}, "owner"),
        (MBOX, {"owner": [None]}, "owner"),
        (IMAP, {"root": "x"}, "root"),
        (IMAP, {"host": None}, "host"),
        (IMAP, {"host": "a\nb"}, "host"),
        (IMAP, {"username": None}, "username"),
        (IMAP, {"username": "a\r\nb"}, "username"),
        (IMAP, {"port": "0"}, "port"),
        (IMAP, {"port": "65536"}, "port"),
        (IMAP, {"port": "9" * 5000}, "port"),
        (IMAP, {"port": "²"}, "port"),
        (IMAP, {"port": "-1"}, "port"),
        (IMAP, {"port": True}, "port"),
        (IMAP, {"security": "ssl"}, "security"),
        (IMAP, {"security": ["tls"]}, "security"),
        (IMAP, {"security": "none"}, "security"),
        (IMAP, {"security": "none", "allow_plaintext": "false"}, "security"),
        (IMAP, {"allow_plaintext": "yes"}, "allow_plaintext"),
        (IMAP, {"allow_plaintext": 2}, "allow_plaintext"),
        (IMAP, {"password": None}, "password"),
        (IMAP, {"password": "s3cret"}, "password"),
        (IMAP, {"password": {"env": "MISSING"}}, "password"),
        (IMAP, {"password": {"env": "BROKEN"}}, "password"),
        (IMAP, {"oauth2_token": {"env": "MAIL_PASSWORD"}}, "password"),
        (IMAP, {"ca_file": "no-such-file.pem"}, "ca_file"),
        (IMAP, {"ca_file": ""}, "ca_file"),
    ],
)
def test_a_wrong_option_is_named_with_its_mend(
    base: Mapping[str, object], options: dict[str, object], named: str
) -> None:
    with pytest.raises(RefusedError) as refusal:
        made(base, **options)
    assert named in str(refusal.value)
    assert refusal.value.mend
    assert "s3cret" not in str(refusal.value)
    assert "a\r\nb" not in str(refusal.value)


def test_an_account_is_reached_by_tls_unless_the_manifest_says_otherwise() -> None:
    assert (account().security, account().port) == ("tls", 993)
    assert (account(security="starttls").security, account(security="starttls").port) == ("starttls", 143)
    plain = account(security="none", allow_plaintext="true", port="1143")
    assert (plain.security, plain.port) == ("none", 1143)
    for made_account in (account(), account(security="starttls")):
        assert made_account.tls.check_hostname
        assert made_account.tls.verify_mode.name == "CERT_REQUIRED"


def test_only_the_authority_of_the_manifest_counts_where_it_names_one(tmp_path: Path) -> None:
    self_signed(tmp_path / "ca.pem", tmp_path / "ca.key")
    authorities = account(ca_file=str(tmp_path / "ca.pem")).tls.get_ca_certs()
    assert len(authorities) == 1


def test_a_secret_is_a_password_or_a_token() -> None:
    assert account().mechanism == "password"
    token = account(password=None, oauth2_token={"env": "MAIL_PASSWORD"})
    assert (token.mechanism, token.secret.get_secret_value()) == ("oauth2", "s3cret")
    assert "s3cret" not in repr(made(IMAP))


def test_groups_are_known_by_addresses_in_any_case() -> None:
    connector = made(MBOX, groups={"All@X.example": "group:staff"}, owner=["group:audit", "user:ann"])
    assert connector.groups == {"all@x.example": "group:staff"}
    assert connector.owner == {"group:audit", "user:ann"}
