"""What a manifest gives the database connector, validated. Connects to nothing."""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.engine import URL
from sqlalchemy.types import NullType

from connectors.secrets import Secrets
from connectors.sql.dialects import address
from policies.errors import RefusedError

_ENDING: Final = re.compile(r"[a-z0-9]{1,10}")
_LINK: Final = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+/|database:)[!-z|~]*\{id\}[!-z|~]*")
"""No user in front of the host, and no brace but those of `{id}`."""


def query(options: Mapping[str, object], key: str, *parameters: str) -> TextClause:
    """The SQL of an option, which takes just these parameters. They are sent as the database takes them for."""
    sql = options.get(key)
    if not isinstance(sql, str) or not sql.strip():
        raise RefusedError(f"connector.{key} is missing or not SQL.", mend="Write a SELECT.")
    query = text(sql)
    if set(query.compile().params) != set(parameters):
        wanted = ", ".join(f":{name}" for name in parameters) or "no parameter"
        raise RefusedError(
            f"connector.{key} does not take {wanted} and nothing else.",
            mend=r"Write it so. A colon that begins no parameter is written as \:, as in '12\:30'.",
        )
    # With a type of their own, ids would be sent as text, which PostgreSQL compares with no number and no UUID.
    bound = [bindparam(name, type_=NullType(), expanding=name == "ids") for name in parameters]
    return query.bindparams(*bound)


def url(options: Mapping[str, object], secrets: Secrets) -> URL:
    """The database's URL. One that a manifest spells out holds no password."""
    given = options.get("url")
    if isinstance(given, str):
        url = address(given)
        if url.password is not None or any("password" in key.lower() for key in url.query):
            raise RefusedError(
                "connector.url must not hold a password.",
                mend="Write `password: {env: NAME}`, or the whole address as `url: {env: NAME}`.",
            )
    else:
        url = address(secrets.read(given, option="url").get_secret_value().strip())
    if "password" not in options:
        return url
    return url.set(password=secrets.read(options["password"], option="password").get_secret_value())


def separator(value: object) -> str | None:
    """The text between two principals; None where there is none."""
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise RefusedError("connector.separator is not text.", mend='Write the sign between two principals, such as ";".')


def zone(value: object) -> tzinfo | None:
    """The time zone of an option; None where there is none. UTC needs no data base of zones."""
    if value is None:
        return None
    try:
        return UTC if value == "UTC" else ZoneInfo(str(value))
    except (ValueError, KeyError, OSError):
        raise RefusedError(
            "connector.timezone is no time zone that is known here.", mend="Write UTC, or one such as Europe/London."
        ) from None


def ending(value: object) -> str:
    """How the names of documents end, or `named`."""
    if isinstance(value, str) and _ENDING.fullmatch(value):
        return value
    raise RefusedError(
        "connector.format is no ending of a file's name.",
        mend="Write txt, md, html or the like, or `named` where titles are file names.",
    )


def uri_template(value: object) -> str:
    """A link with `{id}` in it, once."""
    if isinstance(value, str) and _LINK.fullmatch(value):
        return value
    raise RefusedError(
        "connector.uri_template is no link with one {id} in it.",
        mend="Write one such as https://crm.example/articles/{id}.",
    )
