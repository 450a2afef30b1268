"""The `policy` section of a manifest, clause by clause. What spans several clauses is in `checks`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from policies.facts import Regime
from policies.manifest.scalars import (
    Age,
    Day,
    Glob,
    Languages,
    Principals,
    Region,
    Regions,
    Retained,
    Share,
    Slugs,
    Text,
)


class Clause(BaseModel):
    """A part of a manifest: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, use_attribute_docstrings=True)


class LawfulBasis(Clause):
    """Why the data may be processed at all (GDPR Art. 6)."""

    basis: str = Field(examples=["legitimate_interests"])
    """One basis that the source's regime knows; see `policies/facts/grounds.yaml`."""
    reference: Text = Field(examples=["LIA-2026-014"])
    """Where the decision is recorded: an assessment, a consent record, a law."""


class SpecialCategories(Clause):
    """The condition under which special categories may be processed (GDPR Art. 9(2))."""

    condition: str = Field(examples=["employment_social_protection"])
    reference: Text = Field(examples=["HR-ART9-2026-02"])


class Retention(Clause):
    """How long documents are kept, and from when it counts (GDPR Art. 5(1)(e))."""

    period: Retained = Field(examples=["P2Y"])
    anchor: Literal["created", "modified", "ingested"] = Field(alias="from", examples=["modified"])


class Transfer(Clause):
    """A way out of the regime's home (GDPR Chapter V), checked by somebody on a day."""

    to: Region = Field(examples=["us"])
    mechanism: Literal["adequacy", "scc", "idta", "bcr", "dpf", "derogation"] = Field(examples=["scc"])
    reference: Text = Field(examples=["SCC-2026-03"])
    checked_on: Day = Field(examples=[date(2026, 3, 31)])
    """The day the mechanism was last verified. A year later it no longer counts."""


class Residency(Clause):
    """Where data lies at rest, where it is in memory, and where callers may be: three facts, never one."""

    store: Regions = Field(min_length=1, examples=[["gb"]])
    process: Regions = Field(min_length=1, examples=[["gb"]])
    serve: Regions = Field(min_length=1, examples=[["gb", "eu"]])
    transfers: tuple[Transfer, ...] = Field(
        default=(),
        examples=[[{"to": "us", "mechanism": "scc", "reference": "SCC-2026-03", "checked_on": "2026-03-31"}]],
    )


class Rule(Clause):
    """Documents whose origin id matches are for `allow` in place of the source's list; `deny` adds to the source's."""

    match: Glob = Field(examples=["board/**"])
    allow: Principals = Field(min_length=1, examples=[["group:board"]])
    deny: Principals = Field(default=(), examples=[["group:contractors"]])


class Documents(Clause):
    """Access document by document: by rules of this manifest (the first match counts), or as the origin has it."""

    origin: Literal["rules", "connector"] = Field(alias="from", examples=["rules"])
    rules: tuple[Rule, ...] = Field(default=(), examples=[[{"match": "board/**", "allow": ["group:board"]}]])


class AccessRules(Clause):
    """Who may see the source's documents. Deny wins over allow.

    With `documents: {from: connector}` a caller needs both: this list, and the origin's own permission.
    """

    allow: Principals = Field(min_length=1, examples=[["group:staff"]])
    deny: Principals = Field(default=(), examples=[["group:contractors"]])
    documents: Documents | None = Field(default=None, examples=[{"from": "connector"}])
    max_age: Age | None = Field(default=None, examples=["PT15M"])
    """Permissions that were mirrored from the origin longer ago than this admit nobody."""


class Redaction(Clause):
    """What is taken out of a document before anything else sees it."""

    profile: Literal["strict", "balanced", "identifiers", "none"] = Field(examples=["balanced"])
    languages: Languages = Field(default=(), examples=[["en"]])
    reason: Text | None = Field(default=None, examples=["Published product manuals; they hold no personal data."])
    """Needed for profile `none`: why this source holds no personal data."""


class Guardrail(Clause):
    """How often an answer may rest on passages that do not hold it, and how sure of that calibration must be."""

    max_risk: Share = Field(default=0.10, gt=0, lt=1, examples=[0.1])
    delta: Share = Field(default=0.10, gt=0, lt=1, examples=[0.1])


class Contract(Clause):
    """The papers an active source needs."""

    processor_agreement: Text | None = Field(default=None, examples=["DPA-2026-007"])
    """The agreement of GDPR Art. 28(3), or "own operation" where the controller runs Penstock itself."""
    dpia: Text | None = Field(default=None, examples=["DPIA-2026-003"])
    """The impact assessment of GDPR Art. 35."""
    dpia_not_required: Text | None = Field(default=None, examples=["Public texts; none of the criteria of WP 248."])
    """In place of `dpia`: the reason why none is needed."""


def _none(value: object) -> object:
    return None if value == "none" else value


class Policy(Clause):
    """What the data's controller decided about a source."""

    controller: Text = Field(examples=["Northwind Ltd"])
    regime: Regime = Field(examples=["uk-gdpr"])
    lawful_basis: LawfulBasis = Field(examples=[{"basis": "legitimate_interests", "reference": "LIA-2026-014"}])
    special_categories: Annotated[
        SpecialCategories | None,
        BeforeValidator(_none, json_schema_input_type=Literal["none"] | SpecialCategories),
    ] = Field(examples=["none"])
    purposes: Slugs = Field(min_length=1, examples=[["employee-support"]])
    retention: Retention = Field(examples=[{"period": "P2Y", "from": "modified"}])
    residency: Residency = Field(examples=[{"store": ["gb"], "process": ["gb"], "serve": ["gb", "eu"]}])
    access: AccessRules = Field(examples=[{"allow": ["group:staff"]}])
    redaction: Redaction = Field(examples=[{"profile": "balanced", "languages": ["en"]}])
    guardrail: Guardrail = Guardrail()
    contract: Contract = Contract()
