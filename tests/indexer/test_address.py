from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.address import Address
from policies.errors import SettingsError

SECRET = "s3cr3t-Pass"


def parse(url: str, password_file: Path | None = None) -> Address:
    return Address.parse(url, password_file=password_file)


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("//penstock@db.example/catalog", {"user": "penstock", "host": "db.example", "sslmode": "verify-full"}),
        ("//db.example:5433/catalog?sslmode=disable", {"host": "db.example", "port": "5433", "sslmode": "disable"}),
        ("//db.example/catalog?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
         {"host": "db.example", "sslmode": "verify-ca", "sslrootcert": "/etc/ca.pem"}),
        ("//p%40x@[::1]/catalog", {"user": "p@x", "host": "::1"}),
        ("///catalog", {}),
        ("///catalog?host=/run/postgresql&port=5433", {"host": "/run/postgresql", "port": "5433"}),
        ("///catalog?host=/run/x,db2.example", {"host": "/run/x,db2.example", "sslmode": "verify-full"}),
        ("//localhost/catalog", {"host": "localhost"}),
    ],
)  # fmt: skip
def test_an_address_says_where_the_database_is_and_how_the_way_is_guarded(url: str, parameters: dict[str, str]) -> None:
    for scheme in ("postgresql:", "postgres:"):
        assert dict(parse(scheme + url).parameters) == parameters | {"dbname": "catalog"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "catalog",
        "sqlite:///catalog.db",
        "mysql://db.example/catalog",
        "postgresql+psycopg://db.example/catalog",
        "postgresql://db.example",
        "postgresql://db.example/",
        "postgresql://db.example/a/b",
        "postgresql://db.example:port/catalog",
        "postgresql://db.example:99999/catalog",
        "postgresql://[db.example/catalog",
        f"postgresql://penstock:{SECRET}/x@db.example/catalog",
        f"postgresql://penstock:{SECRET}#x@db.example/catalog",
        f"postgresql://penstock:12/{SECRET}@db.example/catalog",
        f"postgresql://penstock:{SECRET}?x@db.example/catalog",
        "postgresql://db.example/catalog?sslmode=prefer",
        "postgresql://db.example/catalog?sslmode=allow",
        "postgresql://db.example/catalog?sslmode=",
        "postgresql:///catalog?sslmode=prefer",
        "postgresql://db.example/catalog?sslmode=require&sslmode=disable",
        "postgresql://db.example/catalog?options=-csynchronous_commit%3Doff",
        f"postgresql://db.example/catalog?password={SECRET}",
        "postgresql://db.example/catalog?sslrootcert=%00",
        "postgresql://db.example/catalog?dbname=other",
        "postgresql://db.example/catalog?host=other.example",
        "postgresql://db.example/cata%20log",
        "postgresql://db.example/cata\udcfflog",
        "postgresql://pen%00stock@db.example/catalog",
        f"postgresql://penstock:{SECRET}%00@db.example/catalog",
    ],
)
def test_what_is_no_address_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(url)
    assert caught.value.mend
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@given(st.text())
def test_any_text_is_an_address_or_is_refused(rest: str) -> None:
    with suppress(SettingsError):
        assert parse(f"postgresql://{rest}").database


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_password_in_the_address_is_kept_apart_and_not_shown(password: str) -> None:
    address = parse(f"postgresql://penstock:{quote(password, safe='')}@db.example/catalog")
    assert address.read_password() == password
    assert "password" not in address.parameters
    assert repr(address) == repr(parse("postgresql://penstock@db.example/catalog"))


def test_a_password_is_the_one_of_the_address_or_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "password"
    address = parse("postgresql://penstock@db.example/catalog", file)
    assert parse("postgresql://penstock:a%2Fb%40c@db.example/catalog").read_password() == "a/b@c"
    assert parse("postgresql://penstock@db.example/catalog").read_password() is None
    for content, password in (("first", "first"), ("é second \n", "é second "), ("third\n\n", "third\n")):
        file.write_text(content, "utf-8")
        file.chmod(0o600)
        assert address.read_password() == password


def test_two_passwords_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PENSTOCK_DATABASE_PASSWORD_FILE is set") as caught:
        parse(f"postgresql://penstock:{SECRET}@db.example/catalog", tmp_path / "password")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "mode", "match"),
    [
        (None, 0o600, "cannot be read"),
        (b"", 0o600, "cannot be read"),
        (b"\n", 0o600, "cannot be read"),
        (b"\xff\xfe", 0o600, "cannot be read"),
        (SECRET.encode(), 0o640, "Others than its owner"),
        (SECRET.encode(), 0o604, "Others than its owner"),
    ],
)
def test_a_password_file_that_is_not_as_it_must_be_is_refused(
    tmp_path: Path, content: bytes | None, mode: int, match: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(SettingsError, match=match) as caught:
        parse("postgresql://penstock@db.example/catalog", file).read_password()
    assert SECRET not in str(caught.value)
