import base64
import os
from pathlib import Path

import pytest

from gateway.settings import (
    ClaimNames,
    Settings,
    TrustedIssuer,
    apply_quiet_defaults,
    encode_master_key,
    load,
    quiet_defaults,
)
from indexer.address import Address
from indexer.kms import KmsAddress
from policies.errors import SettingsError

KEY = bytes(range(32))
ISSUERS = """\
- issuer: https://login.example
  audience: penstock
  jwks: https://login.example/jwks
  algorithms: [ES256, EdDSA]
  claims: {groups: groups, purposes: purposes, region: country}
- issuer: https://other.example
  audience: penstock
  jwks: keys/other.json
  algorithms: [RS256]
  claims: {}
"""


def refusal(environ: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    assert caught.value.mend
    return caught.value


def issuers_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "issuers.yaml"
    path.write_text(text, encoding="utf-8")
    return {"PENSTOCK_ISSUERS": str(path)}


def key_file(folder: Path, text: str, mode: int = 0o600) -> Settings:
    path = folder / "master.key"
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
    return load({"PENSTOCK_HOME": str(folder / "home")})


def test_nothing_needs_to_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}) == Settings(
        home=tmp_path / ".penstock" / "home",
        master_key=tmp_path / ".penstock" / "master.key",
        region=None,
        system_region=None,
        database_region=None,
        issuers=(),
        database=None,
    )
    assert load({"PENSTOCK_HOME": "", "PENSTOCK_REGION": " ", "PENSTOCK_MASTER_KEY": ""}) == load({})


def test_everything_that_is_set_counts(tmp_path: Path) -> None:
    environ = {
        "PENSTOCK_HOME": str(tmp_path / "home"),
        "PENSTOCK_MASTER_KEY": encode_master_key(KEY),
        "PENSTOCK_REGION": "gb",
        "PENSTOCK_SYSTEM_REGION": "ie",
        "PENSTOCK_DATABASE_REGION": "fr",
        **issuers_file(tmp_path, ISSUERS),
    }
    assert load(environ) == Settings(
        home=tmp_path / "home",
        master_key=KEY,
        region="gb",
        system_region="ie",
        database_region="fr",
        issuers=(
            TrustedIssuer(
                issuer="https://login.example",
                audience="penstock",
                jwks="https://login.example/jwks",  # type: ignore[arg-type]  # an address that passed the check
                algorithms=frozenset({"ES256", "EdDSA"}),
                claims=ClaimNames(groups="groups", purposes="purposes", region="country", roles=None),
            ),
            TrustedIssuer(
                issuer="https://other.example",
                audience="penstock",
                jwks=tmp_path / "keys" / "other.json",
                algorithms=frozenset({"RS256"}),
                claims=ClaimNames(groups=None, purposes=None, region=None, roles=None),
            ),
        ),
        database=None,
    )


@pytest.mark.parametrize("region", ["GB", "uk", "eu", "gbr", "zz", "g", "no where"])
def test_a_region_is_a_country_code(region: str) -> None:
    assert "PENSTOCK_REGION" in str(refusal({"PENSTOCK_REGION": region}))


@pytest.mark.parametrize("text", ["x", encode_master_key(KEY[:31]), encode_master_key(KEY + b"x"), KEY.hex(), "é"])
def test_a_master_key_is_32_bytes_in_base64_and_is_never_echoed(text: str) -> None:
    assert repr(text)[1:-1] not in str(refusal({"PENSTOCK_MASTER_KEY": text})).replace("openssl", "").replace("x", "")


def test_two_master_keys_are_one_too_many(tmp_path: Path) -> None:
    environ = {"PENSTOCK_MASTER_KEY": encode_master_key(KEY), "PENSTOCK_MASTER_KEY_FILE": str(tmp_path / "key")}
    assert "Unset one" in str(refusal(environ))
    environ = {"PENSTOCK_MASTER_KEY": encode_master_key(KEY), "PENSTOCK_KMS": "vault:penstock"}
    assert "PENSTOCK_MASTER_KEY and PENSTOCK_KMS are both set" in str(refusal(environ))


def test_a_key_service_is_named_with_what_it_knows_the_key_by() -> None:
    settings = load({"PENSTOCK_KMS": "vault:transit/keys:penstock"})
    assert settings.master_key == KmsAddress(name="vault", reference="transit/keys:penstock")
    with pytest.raises(SettingsError, match="key service 'vault'"):
        settings.read_master_key()


@pytest.mark.parametrize("text", ["vault", "vault:", ":penstock", ":"])
def test_a_key_service_without_name_or_reference_is_refused(text: str) -> None:
    assert "NAME:REFERENCE" in str(refusal({"PENSTOCK_KMS": text}))


@pytest.mark.parametrize("place", ["home/master.key", "home/../home/key", "link/key"])
def test_a_home_never_holds_its_own_key(tmp_path: Path, place: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    environ = {"PENSTOCK_HOME": str(tmp_path / "home"), "PENSTOCK_MASTER_KEY_FILE": str(tmp_path / place)}
    assert "inside the home" in str(refusal(environ))


def test_the_master_key_comes_from_its_file_or_the_environment(tmp_path: Path) -> None:
    assert key_file(tmp_path, encode_master_key(KEY) + "\n").read_master_key() == KEY
    assert load({"PENSTOCK_MASTER_KEY": base64.b64encode(KEY).decode()}).read_master_key() == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="chmod 600"):
        key_file(tmp_path, encode_master_key(KEY), mode).read_master_key()


@pytest.mark.parametrize("text", ["", "short", encode_master_key(KEY) * 2])
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="openssl rand"):
        key_file(tmp_path, text).read_master_key()


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"put it back from its copy: without it nothing can be read.*penstock init"
    ):
        load({"PENSTOCK_HOME": str(tmp_path / "home")}).read_master_key()


def test_settings_do_not_print_the_master_key() -> None:
    settings = load({"PENSTOCK_MASTER_KEY": encode_master_key(KEY)})
    assert "master_key" not in repr(settings)


ONE = ISSUERS.split("- issuer: https://other", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("issuer: x", "not a list"),
        ("- just text", "issuer 1"),
        (ONE + ONE, "twice"),
        (ONE + "  audience: other\n", "stands here"),
        (ONE.replace("issuer:", "isuer:"), "issuer"),
        (ONE.replace("  audience: penstock\n", ""), "audience"),
        (ONE.replace("claims: {", "claims: {mail: mail, "), "claims.mail"),
        (ONE.replace("[ES256, EdDSA]", "[none]"), "algorithms.0"),
        (ONE.replace("[ES256, EdDSA]", "[HS256]"), "algorithms.0"),
        (ONE.replace("[ES256, EdDSA]", "[]"), "algorithms"),
        (ONE.replace("[ES256, EdDSA]", "ES256"), "algorithms"),
        (ONE.replace("https://login.example/jwks", "http://login.example/jwks"), "https"),
        (ONE.replace("https://login.example/jwks", "file:///etc/passwd"), "https"),
        (ONE.replace("https://login.example/jwks", "https://user:pass@login.example/jwks"), "https"),
        (ONE.replace("https://login.example/jwks", "https://"), "https"),
        (ONE.replace("https://login.example/jwks", "https://[/jwks"), "https"),
        (ONE.replace("https://login.example/jwks", '"https://login.example/\\r\\nX: y"'), "jwks"),
        (ONE.replace("https://login.example/jwks", "https://login.example:70000/jwks"), "https"),
        ("- &a [*a]", "Anchors"),
        ("- {a: b", "YAML"),
        ("- " + "x" * 70_000, "larger"),
    ],
)
def test_an_issuers_file_that_is_not_as_it_must_be_is_refused(tmp_path: Path, text: str, word: str) -> None:
    error = refusal(issuers_file(tmp_path, text))
    assert word in str(error)
    assert "PENSTOCK_ISSUERS" in str(error)


def test_an_issuers_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in str(refusal({"PENSTOCK_ISSUERS": str(tmp_path / "none.yaml")}))
    (tmp_path / "latin.yaml").write_bytes(b"- issuer: \xe9\n")
    assert "cannot be read" in str(refusal({"PENSTOCK_ISSUERS": str(tmp_path / "latin.yaml")}))


def test_libraries_are_told_to_stay_silent_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in quiet_defaults():
        monkeypatch.setenv(name, "whatever stood there")
    apply_quiet_defaults()
    assert {name: os.environ[name] for name in quiet_defaults()} == quiet_defaults()  # noqa: TID251 - what the call is for
    assert quiet_defaults()["HF_HUB_OFFLINE"] == "1"
    assert {"DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "HF_HUB_DISABLE_TELEMETRY"} <= set(quiet_defaults())


def test_a_database_is_one_setting_and_its_password_may_be_another(tmp_path: Path) -> None:
    url, file = "postgresql://penstock@db.example/catalog", tmp_path / "password"
    assert load({"PENSTOCK_DATABASE": url}).database == Address.parse(url, password_file=None)
    given = load({"PENSTOCK_DATABASE": url, "PENSTOCK_DATABASE_PASSWORD_FILE": str(file)})
    assert given.database == Address.parse(url, password_file=file)
    assert load({"PENSTOCK_DATABASE": " ", "PENSTOCK_DATABASE_PASSWORD_FILE": ""}).database is None


def test_a_password_in_the_database_setting_shows_nowhere() -> None:
    given = load({"PENSTOCK_DATABASE": "postgresql://penstock:s3cr3t@db.example/catalog"})
    assert "s3cr3t" not in repr(given)
    assert "s3cr3t" not in str(refusal({"PENSTOCK_DATABASE": "postgresql://penstock:s3cr3t@db.example:x/catalog"}))


def test_a_database_password_without_a_database_is_refused(tmp_path: Path) -> None:
    assert "PENSTOCK_DATABASE is not" in refusal({"PENSTOCK_DATABASE_PASSWORD_FILE": str(tmp_path)}).message
