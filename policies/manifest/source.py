"""A source as its manifest describes it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from policies import globs
from policies.manifest.checks import problems
from policies.manifest.clauses import Clause, Policy
from policies.manifest.scalars import SLUG, Cron, Share, Slug, Switch, Text, Whole
from policies.model import Access, PolicyHash, SourceName

_OPTIONS_CHARS = 16


def _hash(value: object) -> str:
    """SHA-256 in hex of the canonical JSON."""
    canonical = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class Connector(Clause):
    """Which connector reads the source, and its options as written: text, lists and mappings for it to check."""

    model_config = ConfigDict(extra="allow")

    kind: Slug = Field(examples=["filesystem"])

    @property
    def options(self) -> Mapping[str, object]:
        """Everything beside `kind`."""
        return MappingProxyType(self.model_extra or {})


class Schedule(Clause):
    """When the source is read, by cron in UTC; never by itself where a key is left out."""

    sync: Cron | None = Field(default=None, examples=["*/15 * * * *"])
    permissions: Cron | None = Field(default=None, examples=["*/5 * * * *"])
    purge: Cron | None = Field(default=None, examples=["0 3 * * *"])


class Limits(Clause):
    """What one sync may do at most."""

    max_deletes: Share = Field(default=0.2, examples=[0.2])
    """Share of the source's documents; a listing that loses more stops the sync."""
    max_document_bytes: Whole = Field(default=52_428_800, gt=0, le=52_428_800, examples=[52_428_800])


class Source(Clause):
    """A validated manifest. `name` is its key `source`."""

    name: Annotated[SourceName, SLUG] = Field(alias="source", examples=["hr-handbook"])
    title: Text = Field(examples=["HR handbook"])
    owner: Text = Field(examples=["people-team@northwind.example"])
    version: Whole = Field(default=1, ge=1, examples=[1])
    state: Literal["draft", "active", "suspended"] = Field(default="draft", examples=["draft"])
    serving: Switch = Field(default=False, examples=["off"])
    connector: Connector = Field(examples=[{"kind": "filesystem", "root": "hr"}])
    schedule: Schedule = Schedule()
    policy: Policy
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _check(self) -> Self:
        found = problems(self.state, self.policy)
        if found:
            raise PydanticCustomError("problems", "The clauses do not agree.", {"problems": found})
        return self

    @cached_property
    def policy_hash(self) -> PolicyHash:
        """SHA-256 in hex of the manifest's canonical JSON; comments, layout and the order of sets do not count."""
        return PolicyHash(_hash(self.model_dump(mode="json")))

    @property
    def redaction(self) -> str:
        """Names how texts of this source are redacted. Passages redacted otherwise must not be served under it."""
        clause = self.policy.redaction
        options = f":{_hash(clause.options)[:_OPTIONS_CHARS]}" if clause.options else ""
        return f"{clause.profile}:{','.join(clause.languages)}{options}"

    @property
    def mirrors_access(self) -> bool:
        """Whether the origin's own permissions decide beside the source's list."""
        documents = self.policy.access.documents
        return documents is not None and documents.origin == "connector"

    def access_for(self, origin_id: str, *, mirrored: Access | None = None) -> Access | None:
        """Who may read the document: the first rule that matches, else the source's own list; deny lists add up.

        Where the origin's permissions are mirrored it is `mirrored` with the source's deny list added, and None,
        which admits nobody, where there is none; `policies.decide` then asks for the source's allow list as well.
        """
        access = self.policy.access
        deny = frozenset(access.deny)
        if self.mirrors_access:
            if mirrored is None:
                return None
            return Access(allow=mirrored.allow, deny=mirrored.deny | deny, as_of=mirrored.as_of)
        for rule in access.documents.rules if access.documents else ():
            if globs.matches(rule.match, origin_id):
                return Access(allow=frozenset(rule.allow), deny=frozenset(rule.deny) | deny)
        return Access(allow=frozenset(access.allow), deny=deny)

    def anchor(self, *, created: datetime | None, modified: datetime | None, ingested: datetime) -> datetime | None:
        """The date from which a document's retention counts, or None where the origin does not know it."""
        dates = {"created": created, "modified": modified, "ingested": ingested}
        return dates[self.policy.retention.anchor]
