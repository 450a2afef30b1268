"""What an installation is told from outside. The only reader of the environment.

PENSTOCK_HOME             folder of the catalog, the keyring and the indexes     default .penstock/home
PENSTOCK_MASTER_KEY_FILE  file with the master key, outside the home             default master.key beside the home
PENSTOCK_MASTER_KEY       the master key itself, in place of a file              32 bytes in base64
PENSTOCK_KMS              NAME:REFERENCE of a key service, in place of either    default none
PENSTOCK_REGION           where this process runs: ISO 3166-1 alpha-2, gb        default the region the home records
PENSTOCK_SYSTEM_REGION    where its logs and metrics go                          default the region the home records
PENSTOCK_ISSUERS          YAML file of the trusted issuers of tokens             default none: API keys only
PENSTOCK_DATABASE         postgresql://USER@HOST/DATABASE of the catalog         default SQLite in the home
PENSTOCK_DATABASE_REGION  where that database lies                               default the home's, if it is here
PENSTOCK_DATABASE_PASSWORD_FILE  file with its password, read anew each time     default PGPASSFILE or ~/.pgpass
PENSTOCK_RECOGNISERS      further recognisers of names, KIND:MODEL@LANGUAGE,…    default none: the embedded one
PENSTOCK_READER           reader of passages for the confidence, KIND[:FOLDER]   default none
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NewType
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.credential import is_country
from gateway.reader import Choice
from indexer import upgrades
from indexer.address import Address
from indexer.kms import KmsAddress
from indexer.upgrades import Upgrade
from policies import yamldoc
from policies.errors import ManifestError, SettingsError

MASTER_KEY_BYTES = 32
_MASTER_KEYS = ("PENSTOCK_MASTER_KEY", "PENSTOCK_MASTER_KEY_FILE", "PENSTOCK_KMS")

Algorithm = Literal["RS256", "ES256", "EdDSA"]
"""Signature algorithms a token may carry. All are asymmetric; `none` and the HMAC family cannot be configured."""
HttpsAddress = NewType("HttpsAddress", str)
"""An https:// address without credentials or fragment."""

_QUIET = {
    "DO_NOT_TRACK": "1",
    "FASTAPI_OTEL_AUTO_CONFIGURE": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "SCARF_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimNames:
    """Which claim of a token holds what. None where the issuer's tokens have no such claim, which grants nothing."""

    groups: str | None
    purposes: str | None
    region: str | None
    roles: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens are believed when signed with one of its keys, for this one audience."""

    issuer: str
    audience: str
    jwks: Path | HttpsAddress
    algorithms: frozenset[Algorithm]
    claims: ClaimNames


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of one process. A region is None where the environment names none: the home's record holds then.

    `database` is None where the catalog is a file in the home. `environment` is what manifests may refer to for
    credentials: all of it but Penstock's own settings and libpq's.
    """

    home: Path
    master_key: Path | bytes | KmsAddress = field(repr=False)
    region: str | None
    system_region: str | None
    database_region: str | None
    issuers: tuple[TrustedIssuer, ...]
    database: Address | None = None
    upgrades: tuple[Upgrade, ...] = ()
    reader: Choice | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def read_master_key(self) -> bytes:
        """The 32 bytes of the master key.

        Raises:
            SettingsError: the file is missing, readable by others than its owner, or holds no key; or a key service
                holds it.
        """
        match self.master_key:
            case bytes() as key:
                return key
            case KmsAddress(name=name):
                raise SettingsError(
                    f"The master key lies with the key service {name!r}, which does not give it away.",
                    mend="Unset PENSTOCK_KMS, if the key is yours to name.",
                )
            case path:
                return read_key_file(path)


def quiet_defaults() -> Mapping[str, str]:
    """What must stand in the environment before libraries load, so that none of them calls home or downloads."""
    return _QUIET


def apply_quiet_defaults() -> None:
    """Set `quiet_defaults` for this process, whatever stood there before."""
    os.environ.update(_QUIET)  # noqa: TID251 - this module is the one that may


def from_environment(*, home: Path | None) -> Settings:
    """The settings of this process. `home` goes before PENSTOCK_HOME.

    Raises:
        SettingsError: see `load`.
    """
    given = {} if home is None else {"PENSTOCK_HOME": str(home)}
    return load(os.environ | given)  # noqa: TID251 - this module is the one that may


def upgrades_from_environment() -> tuple[Upgrade, ...]:
    """The further recognisers of this process, for what needs no home.

    Raises:
        SettingsError: the variable names none, or one twice.
    """
    return _upgrades(os.environ)  # noqa: TID251 - this module is the one that may


def reader_from_environment() -> Choice | None:
    """The reader of passages of this process, None where none is named, for what needs no home.

    Raises:
        SettingsError: the variable names none.
    """
    return _reader(os.environ)  # noqa: TID251 - this module is the one that may


def load(environ: Mapping[str, str]) -> Settings:
    """The settings that `environ` holds. An empty variable counts as not set.

    Raises:
        SettingsError: a variable, or the file it names, is not as it must be.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    home = Path(given.get("PENSTOCK_HOME", ".penstock/home")).absolute()
    issuers = given.get("PENSTOCK_ISSUERS")
    return Settings(
        home=home,
        master_key=_master_key_source(given, home),
        region=_region(given, "PENSTOCK_REGION", "this process runs"),
        system_region=_region(given, "PENSTOCK_SYSTEM_REGION", "logs and metrics go"),
        database_region=_region(given, "PENSTOCK_DATABASE_REGION", "the database lies"),
        issuers=() if issuers is None else _issuers(Path(issuers)),
        database=_database(given),
        upgrades=_upgrades(given),
        reader=_reader(given),
        environment={name: value for name, value in environ.items() if not name.startswith(("PENSTOCK_", "PG"))},
    )


def encode_master_key(key: bytes) -> str:
    """The text of a master key, for a file or the environment."""
    return base64.b64encode(key).decode("ascii")


def read_key_file(path: Path) -> bytes:
    """The 32 bytes of the master key in a file.

    Raises:
        SettingsError: it is missing, readable by others than its owner, or holds no key.
    """
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"Others than its owner may use the master key file {str(path)!r}.", mend="Run chmod 600 on it."
            )
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The master key file {str(path)!r} cannot be read.",
            mend="Point PENSTOCK_MASTER_KEY_FILE at the key of this home, or put it back from its copy: without it "
            "nothing can be read. For a new home, `penstock init` makes one.",
        ) from error
    return _master_key(text, f"The master key file {str(path)!r}")


def key_file(path: Path, home: Path) -> Path:
    """Where a master key's file lies, in full.

    Raises:
        SettingsError: inside the home.
    """
    if path.resolve().is_relative_to(home.resolve()):
        raise SettingsError(
            f"The master key file {str(path)!r} lies inside the home, so a copy of the home would hold its own key.",
            mend="Put the file elsewhere, and set PENSTOCK_MASTER_KEY_FILE to where it is.",
        )
    return path.absolute()


def kms_address(text: str) -> KmsAddress:
    """A key service's name, and what it knows the master key by.

    Raises:
        SettingsError: the text is not of that form.
    """
    name, colon, reference = text.strip().partition(":")
    if not (name and colon and reference):
        raise SettingsError(
            "A key service is not named as it must be.",
            mend="Write NAME:REFERENCE, such as vault:transit/penstock, in PENSTOCK_KMS.",
        )
    return KmsAddress(name=name, reference=reference)


def _master_key_source(given: Mapping[str, str], home: Path) -> Path | bytes | KmsAddress:
    named = [name for name in _MASTER_KEYS if name in given]
    match named:
        case []:
            return key_file(home.parent / "master.key", home)
        case ["PENSTOCK_MASTER_KEY" as name]:
            return _master_key(given[name], name)
        case ["PENSTOCK_MASTER_KEY_FILE" as name]:
            return key_file(Path(given[name]), home)
        case ["PENSTOCK_KMS" as name]:
            return kms_address(given[name])
        case _:
            raise SettingsError(f"{named[0]} and {named[1]} are both set.", mend="Unset one of the two.")


def _master_key(text: str, origin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise SettingsError(
            f"{origin} is not {MASTER_KEY_BYTES} bytes in base64.", mend="Make one with `openssl rand -base64 32`."
        )
    return key


def _database(given: Mapping[str, str]) -> Address | None:
    url, file = given.get("PENSTOCK_DATABASE"), given.get("PENSTOCK_DATABASE_PASSWORD_FILE")
    if url is not None:
        return Address.parse(url, password_file=None if file is None else Path(file).absolute())
    if file is not None:
        raise SettingsError(
            "PENSTOCK_DATABASE_PASSWORD_FILE is set, and PENSTOCK_DATABASE is not.", mend="Set both, or neither."
        )
    return None


def _upgrades(given: Mapping[str, str]) -> tuple[Upgrade, ...]:
    try:
        return upgrades.parse(given.get("PENSTOCK_RECOGNISERS", ""))
    except SettingsError as error:
        raise SettingsError(f"PENSTOCK_RECOGNISERS: {error.message}", mend=error.mend) from error


def _reader(given: Mapping[str, str]) -> Choice | None:
    text = given.get("PENSTOCK_READER", "").strip()
    try:
        return Choice.parse(text) if text else None
    except SettingsError as error:
        raise SettingsError(f"PENSTOCK_READER: {error.message}", mend=error.mend) from error


def _region(given: Mapping[str, str], name: str, where: str) -> str | None:
    text = given.get(name)
    if text is not None and not is_country(text):
        raise SettingsError(
            f"{name} is {text!r}.",
            mend=f"Write the ISO 3166-1 alpha-2 code of the country where {where}, in lower case, such as gb.",
        )
    return text


_Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")]


class _Claims(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    groups: _Text | None = None
    purposes: _Text | None = None
    region: _Text | None = None
    roles: _Text | None = None


class _Issuer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    issuer: _Text
    audience: _Text
    jwks: _Text
    algorithms: Annotated[list[Algorithm], Field(min_length=1)]
    claims: _Claims


def _issuers(path: Path) -> tuple[TrustedIssuer, ...]:
    entries = _yaml(path)
    if not isinstance(entries, list) or not entries:
        raise _issuers_error(path, "is not a list of issuers")
    issuers = tuple(_issuer(path, number, entry) for number, entry in enumerate(entries, start=1))
    if len({issuer.issuer for issuer in issuers}) != len(issuers):
        raise _issuers_error(path, "names an issuer twice")
    return issuers


def _yaml(path: Path) -> yamldoc.Value:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(yamldoc.MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise _issuers_error(path, "cannot be read") from error
    try:
        return yamldoc.read(text, path=str(path)).value
    except ManifestError as error:
        raise SettingsError(
            f"PENSTOCK_ISSUERS: {str(path)!r}, line {error.line}: {error.message}", mend=error.mend
        ) from error


def _issuer(path: Path, number: int, entry: object) -> TrustedIssuer:
    try:
        given = _Issuer.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise _issuers_error(path, f"has a fault in issuer {number}, key {key!r}: {first['msg']}") from error
    return TrustedIssuer(
        issuer=given.issuer,
        audience=given.audience,
        jwks=_jwks(path, number, given.jwks),
        algorithms=frozenset(given.algorithms),
        claims=ClaimNames(**given.claims.model_dump()),
    )


def _jwks(path: Path, number: int, text: str) -> Path | HttpsAddress:
    if "://" not in text:
        return (path.parent / text).absolute()
    if not _is_plain_https(text):
        raise _issuers_error(path, f"has a jwks in issuer {number} that is neither a file nor a plain https address")
    return HttpsAddress(text)


def _is_plain_https(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and port != 0
        and "@" not in parts.netloc
        and not parts.fragment
    )


def _issuers_error(path: Path, fault: str) -> SettingsError:
    return SettingsError(
        f"PENSTOCK_ISSUERS: {str(path)!r} {fault}.",
        mend="Write a list of issuers, each with issuer, audience, jwks (a file or an https address), algorithms "
        "(RS256, ES256, EdDSA) and claims (any of groups, purposes, region, roles).",
    )
