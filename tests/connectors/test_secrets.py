import os
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.secrets import MAX_SECRET_BYTES, Secrets
from policies.errors import RefusedError


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(environment={"TOKEN": "s3cret", "EMPTY": "", "BLANK": " \n"}, base=tmp_path)


def test_a_reference_to_the_environment_is_read(secrets: Secrets) -> None:
    assert secrets.read({"env": "TOKEN"}, option="token").get_secret_value() == "s3cret"


def test_a_reference_to_a_file_is_read_relative_to_the_manifest_without_its_last_newline(secrets: Secrets) -> None:
    (secrets.base / "token").write_bytes("pâssé\n\n".encode())
    assert secrets.read({"file": "token"}, option="token").get_secret_value() == "pâssé\n"
    assert secrets.read({"file": str(secrets.base / "token")}, option="token").get_secret_value() == "pâssé\n"


def test_a_file_written_on_windows_loses_its_line_end_whole(secrets: Secrets) -> None:
    (secrets.base / "token").write_bytes(b"s3cret\r\n")
    assert secrets.read({"file": "token"}, option="token").get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    "reference", ["s3cret", None, 7, [], {}, {"env": ""}, {"env": 7}, {"file": ""}, {"env": "TOKEN", "file": "token"}]
)
def test_what_is_no_reference_is_refused_without_being_quoted(secrets: Secrets, reference: object) -> None:
    with pytest.raises(RefusedError, match=r"connector\.token .*token: \{env: NAME\}") as refusal:
        secrets.read(reference, option="token")
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["EMPTY", "BLANK", "MISSING"])
def test_a_variable_that_is_missing_or_empty_is_refused_by_its_name(secrets: Secrets, name: str) -> None:
    with pytest.raises(RefusedError, match=rf"environment variable {name}.*connector\.token.*missing or empty"):
        secrets.read({"env": name}, option="token")


def test_a_file_that_is_missing_empty_too_large_no_text_or_no_file_is_refused(secrets: Secrets) -> None:
    (secrets.base / "empty").write_bytes(b"\n")
    (secrets.base / "large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    (secrets.base / "binary").write_bytes(b"\xff\xfe")
    (secrets.base / "folder").mkdir()
    for name in ("missing", "empty", "large", "binary", "folder", "nul\0"):
        with pytest.raises(RefusedError, match=r"connector\.token"):
            secrets.read({"file": name}, option="token")


def test_a_file_of_just_the_size_is_read(secrets: Secrets) -> None:
    (secrets.base / "key").write_bytes(b"x" * MAX_SECRET_BYTES)
    assert len(secrets.read({"file": "key"}, option="key").get_secret_value()) == MAX_SECRET_BYTES


def test_a_pipe_in_place_of_a_file_does_not_hold_the_reader_up(secrets: Secrets) -> None:
    os.mkfifo(secrets.base / "pipe")
    with pytest.raises(RefusedError, match=r"connector\.token"):
        secrets.read({"file": "pipe"}, option="token")


def test_neither_a_secret_nor_the_environment_shows(secrets: Secrets) -> None:
    secret = secrets.read({"env": "TOKEN"}, option="token")
    assert "s3cret" not in f"{secret} {secret!r} {secrets} {secrets!r}"


@pytest.fixture
def guarded(secrets: Secrets) -> Secrets:
    """Secrets beside a home and a master key."""
    (secrets.base / "home" / "keyring").mkdir(parents=True)
    (secrets.base / "home" / "keyring" / "keyring.db").write_text("keys")
    (secrets.base / "master.key").write_text("key")
    (secrets.base / "token").write_text("s3cret")
    own = (secrets.base / "home", secrets.base / "master.key", secrets.base / "gone")
    return replace(secrets, own=own)


def test_a_file_beside_penstock_s_own_is_read(guarded: Secrets) -> None:
    assert guarded.read({"file": "home/../token"}, option="token").get_secret_value() == "s3cret"


def test_no_manifest_refers_to_penstock_s_own_files_by_any_name(guarded: Secrets) -> None:
    base = guarded.base
    (base / "x").mkdir()
    (base / "link").symlink_to("master.key")
    (base / "folder").symlink_to("home/keyring")
    (base / "linked").hardlink_to(base / "master.key")
    (base / "shown").symlink_to("/proc/self/environ")
    for name in (
        "master.key",
        str(base / "master.key"),
        "home/keyring/keyring.db",
        "home",
        "x/../home/keyring/../keyring/keyring.db",
        "link",
        "folder/keyring.db",
        "linked",
        f"/proc/self/root{base}/master.key",
        "/proc/self/environ",
        "/proc/thread-self/environ",
        "shown",
    ):
        with pytest.raises(RefusedError, match="Penstock's own"):
            guarded.read({"file": name}, option="password")


def test_a_home_behind_a_link_is_the_home(guarded: Secrets) -> None:
    (guarded.base / "moved").symlink_to("home")
    behind = replace(guarded, own=(guarded.base / "moved",))
    with pytest.raises(RefusedError, match="Penstock's own"):
        behind.read({"file": "home/keyring/keyring.db"}, option="token")
