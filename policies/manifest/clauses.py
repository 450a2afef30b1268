"""The `policy` section of a manifest, clause by clause. What spans several clauses is in `checks`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from policies.facts import Regime
from policies.manifest.scalars import (
    Age,
    Country,
    Day,
    EntityName,
    EntityNames,
    Glob,
    Languages,
    Listed,
    Literals,
    Names,
    Phrases,
    Principals,
    Prose,
    Regex,
    Region,
    Regions,
    Retained,
    Share,
    Slugs,
    Switch,
    Text,
)


class Clause(BaseModel):
    """A part of a manifest: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, use_attribute_docstrings=True)


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


def _is_false(value: object) -> bool:
    return value is False


class LawfulBasis(Clause):
    """Why the data may be processed at all (GDPR Art. 6)."""

    basis: str = Field(examples=["legitimate_interests"])
    """One basis that the source's regime knows; see `policies/facts/grounds.yaml`."""
    reference: Text = Field(examples=["LIA-2026-014"])
    """Where the decision is recorded: an assessment, a consent record, a law."""
    condition: str | None = Field(default=None, examples=["safeguarding"], exclude_if=_is_none)
    """For `recognised_legitimate_interest` alone: which of its conditions is met (UK GDPR Annex 1)."""


class SpecialCategories(Clause):
    """The condition under which special categories may be processed (GDPR Art. 9(2))."""

    condition: str = Field(examples=["employment_social_protection"])
    reference: Text = Field(examples=["HR-ART9-2026-02"])
    schedule_1: Text | None = Field(default=None, examples=["Part 1, para. 1; policy document APD-2026-01"])
    """The condition of the United Kingdom's Data Protection Act 2018, Schedule 1, where the Act asks for one.

    It is cited as `Part N, para. M`, with the policy document where one is asked for.
    """


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
    """Where data lies at rest, where it is in memory, where callers are, and where logs go: four facts, never one."""

    store: Regions = Field(min_length=1, examples=[["gb"]])
    process: Regions = Field(min_length=1, examples=[["gb"]])
    serve: Regions = Field(min_length=1, examples=[["gb", "eu"]])
    system: Regions = Field(default=(), examples=[["gb", "us"]])
    """Where logs, metrics and accounts may go; where it is left out, only where data may lie."""
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


Output = Literal["pseudonym", "opaque", "mask", "drop"]
"""What stands in a text in place of a value.

`pseudonym` is `[PERSON_<20 letters>]`, the same wherever the value is; `opaque` is `[PERSON]`; `mask` is a `*` for each
letter or digit, 4 at least and 16 at most, and the last four digits of a card; `drop` is nothing. Only a pseudonym
lets a question about a person, or that person's own request, find the passage.
"""


class Pattern(Clause):
    """Values that only this organisation has. Found as words of their own, in text without accents, on one line."""

    entity: EntityName = Field(examples=["STAFF_NUMBER"])
    """What they are called: a name that no kind of Penstock's own has."""
    regex: Regex = Field(examples=["NW-[0-9]{6}"])
    """Python's syntax, as far as its worst case is known: see `policies.manifest.regexes`."""
    context: Phrases = Field(default=(), examples=[["staff", "payroll"]], exclude_if=_is_empty)
    """Where it is given, only what stands within some eight words after one of these counts."""
    score: Share | None = Field(default=None, ge=0.5, examples=[0.9], exclude_if=_is_none)
    """How sure a match is; 1 where it is left out. Where kinds overlap, what is hidden is named after the surest."""


class Redaction(Clause):
    """What is taken out of a document before anything else sees it.

    `allow` and the words of `patterns` are policy: they stand in the manifest, in the catalog and in every export of
    it as they are written. A name put there is put there by the operator's decision.
    """

    profile: Literal["strict", "balanced", "identifiers", "none"] = Field(examples=["balanced"])
    languages: Languages = Field(default=(), examples=[["en"]])
    reason: Text | None = Field(default=None, examples=["Published product manuals; they hold no personal data."])
    """Needed for profile `none`: why this source holds no personal data."""
    also: EntityNames = Field(default=(), examples=[["LOCATION"]], exclude_if=_is_empty)
    """Kinds of personal data that are redacted beside those of the profile."""
    keep: EntityNames = Field(default=(), examples=[["IP_ADDRESS"]], exclude_if=_is_empty)
    """Kinds that are left as they are though the profile has them. Never secrets."""
    output: dict[str, Output] = Field(
        default_factory=dict, examples=[{"default": "pseudonym", "CREDIT_CARD": "mask"}], exclude_if=_is_empty
    )
    """What takes the place of a value, by its kind; `default` for those that are not named."""
    allow: Literals = Field(default=(), examples=[["Ada Lovelace Building"]], exclude_if=_is_empty)
    """Strings that are left as they are. Whole words count, capitals do not; what is longer than one stays hidden."""
    patterns: tuple[Pattern, ...] = Field(
        default=(),
        max_length=20,
        examples=[[{"entity": "STAFF_NUMBER", "regex": "NW-[0-9]{6}", "context": ["staff"]}]],
        exclude_if=_is_empty,
    )
    other_languages: Literal["quarantine", "patterns"] = Field(
        default="quarantine", examples=["quarantine"], exclude_if="quarantine".__eq__
    )
    """What becomes of a document with a passage in a language that redaction does not cover: it is quarantined, or it
    is kept and such passages are counted, though names are not looked for in that language."""
    vault: bool = Field(default=False, examples=[False], exclude_if=_is_false)
    """Whether the value behind each pseudonym is kept, sealed with its document, for `penstock reveal`.

    Secrets never are. Where it is off, nobody can bring a value back from what is stored."""

    @property
    def covered(self) -> str:
        """The profile with what is added to it and taken out of it, such as `strict + STAFF_NUMBER - IP_ADDRESS`."""
        added = sorted({*self.also, *(pattern.entity for pattern in self.patterns)})
        return "".join((self.profile, *(f" + {name}" for name in added), *(f" - {name}" for name in self.keep)))

    @property
    def options(self) -> dict[str, object]:
        """What decides how texts are redacted beside profile and languages, as JSON; empty where nothing does."""
        return self.model_dump(mode="json", exclude={"profile", "languages", "reason"})


class Guardrail(Clause):
    """How often an answer may rest on passages that do not hold it, and what people are asked to look at."""

    max_risk: Share = Field(default=0.10, gt=0, lt=1, examples=[0.1])
    """The share of answers, at most, whose passages do not hold what was asked for."""
    delta: Share = Field(default=0.10, gt=0, lt=1, examples=[0.1])
    """How likely it may be that a certificate of that is wrong."""
    review_share: Share = Field(default=0.02, examples=[0.02])
    """The share of answers not handed off that a person is asked to review, drawn at random."""
    keep_query: Switch = Field(default=False, examples=["off"])
    """Whether a reviewer sees the question: redacted, sealed, and for no longer than the documents or 90 days."""


class Contract(Clause):
    """The papers a source needs before it leaves `draft`."""

    processor_agreement: Text | None = Field(default=None, examples=["DPA-2026-007"])
    """The agreement of GDPR Art. 28(3), or "own operation" where the controller runs Penstock itself."""
    dpia: Text | None = Field(default=None, examples=["DPIA-2026-003"])
    """The impact assessment of GDPR Art. 35."""
    dpia_not_required: Text | None = Field(default=None, examples=["Public texts; none of the criteria of WP 248."])
    """In place of `dpia`: the reason why none is needed."""


class Record(Clause):
    """What the record of processing asks and no machine can see (GDPR Art. 30). What is left out shows as a gap.

    Where the answer is that there is none, `none` says so.
    """

    country: Country | None = Field(default=None, examples=["gb"])
    """Where the controller is established."""
    contact: Text | None = Field(default=None, examples=["privacy@northwind.example, 1 Mill Lane, Leeds"])
    representative: Text | None = Field(default=None, examples=["none"])
    """The controller's representative (GDPR Art. 27)."""
    dpo: Text | None = Field(default=None, examples=["dpo@northwind.example"])
    """The data protection officer (GDPR Art. 37)."""
    joint_controllers: Listed | None = Field(default=None, examples=["none"])
    processor: Text | None = Field(default=None, examples=["Northwind Hosting Ltd"])
    """Who runs Penstock for the controller; left out where the controller does."""
    function: Text | None = Field(default=None, examples=["Human resources"])
    """The part of the business that the processing serves."""
    objective: Prose | None = Field(default=None, examples=["Answering staff about the rules of their employment."])
    """What the purposes mean in a sentence."""
    data_subjects: Listed | None = Field(default=None, examples=[["employees", "contractors"]])
    data_categories: Listed | None = Field(default=None, examples=[["names and work addresses", "pay grades"]])
    recipients: Listed | None = Field(default=None, examples=[["people team", "line managers"]])
    data_origin: Prose | None = Field(default=None, examples=["From the people concerned and from their managers."])
    """From whom the data come (GDPR Art. 14(2)(f))."""
    security: Prose | None = Field(default=None, examples=["ISMS-2026, sections 4 to 9"])
    """Where the security measures beside Penstock's own are described (GDPR Art. 32(1))."""
    automated_decisions: Prose | None = Field(default=None, examples=["none"])
    """Decisions that rest on automated processing alone (GDPR Art. 22)."""
    rights: Prose | None = Field(default=None, examples=["By mail to privacy@northwind.example; see the staff notice."])
    """How the people concerned exercise their rights."""
    breaches: Text | None = Field(default=None, examples=["none; register BR-2026"])
    """Whether personal data were breached, and where that is recorded (GDPR Art. 33(5))."""
    necessity: Prose | None = Field(default=None, examples=["Staff ask the same questions daily."])
    """Why the processing is necessary and proportionate (GDPR Art. 35(7)(b))."""


class Assessment(Clause):
    """Which criteria that ask for an impact assessment apply (GDPR Art. 35); see `policies/facts/assessment.yaml`."""

    criteria: Names = Field(examples=[["innovative_technology", "vulnerable_subjects"]])
    """Of the nine of WP 248, or `none`. Two ask for an assessment."""
    french_list: Names | None = Field(default=None, examples=["none"])
    """Of the list of the CNIL (délibération 2018-327), or `none`. One asks for an assessment."""


class Customer(Clause):
    """For whom data are held under the law of the United States, and by which contract."""

    name: Text = Field(examples=["Fabrikam Inc."])
    contract: Text = Field(examples=["MSA-2026-11"])
    sector: str = Field(examples=["hipaa"])
    """The rule of the customer's sector, or `none`; see `policies/facts/sectors.yaml`."""
    agreement: Text | None = Field(default=None, examples=["BAA-2026-04"])
    """What the sector's rule asks to be signed, such as a business associate agreement (45 CFR 164.504(e))."""


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
    record: Record = Record()
    assessment: Assessment | None = Field(default=None, examples=[{"criteria": "none"}])
    customer: Customer | None = Field(
        default=None, examples=[{"name": "Fabrikam Inc.", "contract": "MSA-2026-11", "sector": "none"}]
    )
