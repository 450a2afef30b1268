import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, SQLModel, create_engine
from starlette.testclient import TestClient

from gateway import agents
from gateway.agents import AgentGrant, GrantId
from gateway.app import create_app
from gateway.credential import CredentialError, CredentialFault
from gateway.identity import Identity
from gateway.lookup import Lookup
from gateway.retrieval import Retrieval
from gateway.tokens import Tokens
from indexer.shelf import Shelf
from policies.errors import ConflictError, RefusedError
from policies.model import Agent, Role
from tests import catalogs
from tests.gateway.fakes import UNUSED
from tests.gateway.issuing import ISSUER, token, trusted
from tests.indexer.workbench import NOW, Bench, File, create, opened, text
from tests.policies import handbook
from tests.policies.handbook import RULES

ONE, TWO = GrantId("1" * 24), GrantId("2" * 24)
BOT = Agent(subject="bot", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")
GRANT = AgentGrant(issuer=ISSUER, agent=BOT, expires=NOW + timedelta(days=30))


def of(**changes: object) -> AgentGrant:
    """The grant with its agent changed."""
    return replace(GRANT, agent=replace(BOT, **changes))  # type: ignore[arg-type]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(catalogs.engine_url(tmp_path / "grants.db"))
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["agent_grant"]])
    with Session(engine) as session:
        yield session
    engine.dispose()


def find(session: Session, *, issuer: str = ISSUER, subject: str = "bot", after: timedelta = timedelta(0)) -> Agent:
    return agents.find(session, issuer, subject, NOW + after)


def is_refused(
    session: Session, *, issuer: str = ISSUER, subject: str = "bot", after: timedelta = timedelta(0)
) -> bool:
    with pytest.raises(CredentialError) as caught:
        find(session, issuer=issuer, subject=subject, after=after)
    return caught.value.audit_reason is CredentialFault.AGENT


def test_a_grant_says_what_the_agent_gets_at_most(session: Session) -> None:
    agents.create(session, ONE, GRANT, now=NOW)
    assert find(session) == BOT


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [
        (ISSUER, "Bot"), (ISSUER, "bot "), (ISSUER, "bo"), (ISSUER, "%"), (ISSUER, ""),
        (ISSUER + "/", "bot"), ("https://LOGIN.example", "bot"), ("%", "bot"), ("", "bot"),
    ],
)  # fmt: skip
def test_a_grant_is_for_exactly_this_agent_of_exactly_this_issuer(session: Session, issuer: str, subject: str) -> None:
    agents.create(session, ONE, GRANT, now=NOW)
    assert is_refused(session, issuer=issuer, subject=subject)


def test_a_grant_ends_at_its_expiry(session: Session) -> None:
    tokyo = timezone(timedelta(hours=9))
    agents.create(session, ONE, replace(GRANT, expires=GRANT.expires.astimezone(tokyo)), now=NOW.astimezone(tokyo))
    assert find(session, after=timedelta(days=30, microseconds=-1)) == BOT
    assert is_refused(session, after=timedelta(days=30))


def test_a_revoked_grant_is_refused_and_keeps_its_first_time(session: Session) -> None:
    agents.create(session, ONE, GRANT, now=NOW)
    agents.create(session, TWO, of(subject="other"), now=NOW)
    agents.revoke(session, ONE, NOW)
    agents.revoke(session, ONE, NOW + timedelta(days=1))
    assert is_refused(session)
    assert find(session, subject="other").subject == "other"
    assert [(one.id, one.revoked) for one in agents.listing(session)] == [(ONE, NOW), (TWO, None)]


def test_a_grant_that_does_not_exist_cannot_be_revoked(session: Session) -> None:
    with pytest.raises(RefusedError, match="no such grant"):
        agents.revoke(session, ONE, NOW)


def test_one_grant_is_in_force_for_an_agent(session: Session) -> None:
    agents.create(session, ONE, GRANT, now=NOW)
    with pytest.raises(ConflictError, match="in force already") as caught:
        agents.create(session, TWO, of(groups=frozenset({"board"})), now=NOW)
    assert caught.value.mend == "Revoke that one first: penstock agent list shows its id."
    assert find(session) == BOT


def test_after_revoking_or_expiry_an_agent_can_be_granted_anew(session: Session) -> None:
    board = of(groups=frozenset({"board"}))
    agents.create(session, ONE, GRANT, now=NOW)
    agents.revoke(session, ONE, NOW)
    agents.create(session, TWO, board, now=NOW)
    assert find(session) == board.agent
    agents.create(session, GrantId("3" * 24), replace(GRANT, expires=NOW + timedelta(days=60)), now=board.expires)
    assert agents.find(session, ISSUER, "bot", board.expires) == BOT


def test_where_a_clock_put_back_leaves_two_in_force_neither_is(session: Session) -> None:
    agents.create(session, ONE, GRANT, now=NOW)
    agents.create(session, TWO, replace(GRANT, expires=NOW + timedelta(days=60)), now=GRANT.expires)
    assert is_refused(session)
    assert find(session, after=timedelta(days=30)) == BOT


def test_the_listing_has_every_grant(session: Session) -> None:
    other = replace(of(subject="other", region="fr"), issuer="https://other.example")
    agents.create(session, TWO, GRANT, now=NOW)
    agents.create(session, ONE, other, now=NOW + timedelta(days=1))
    assert [(one.id, one.grant, one.created) for one in agents.listing(session)] == [
        (TWO, GRANT, NOW),
        (ONE, other, NOW + timedelta(days=1)),
    ]


@pytest.mark.parametrize(
    ("grant", "message"),
    [
        *((replace(GRANT, issuer=issuer), "issuer of the grant") for issuer in ("", "a b", "a\n", "a" * 513)),
        *((of(subject=subject), "of the grant is not a name") for subject in ("", " bot", "bot\n", "a" * 257)),
        (of(groups=frozenset({"staff", ""})), "of the grant is not a name"),
        (of(purposes=frozenset()), "A grant without a purpose"),
        (of(purposes=frozenset({"Employee support"})), "not one that a manifest can name"),
        *((of(region=region), "is not a region") for region in ("", "GB", "uk", "eu", None)),
        (replace(GRANT, expires=NOW), "expiry of the grant"),
        (replace(GRANT, expires=NOW + timedelta(days=366, microseconds=1)), "expiry of the grant"),
    ],
)
def test_a_grant_that_is_not_as_it_must_be_is_not_made(session: Session, grant: AgentGrant, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        agents.create(session, ONE, grant, now=NOW)
    assert caught.value.mend
    assert agents.listing(session) == ()


def test_a_grant_may_last_a_year(session: Session) -> None:
    agents.create(session, ONE, replace(GRANT, expires=NOW + agents.MAX_LIFETIME), now=NOW)
    assert find(session, after=timedelta(days=365)) == BOT


FILES: Mapping[str, File] = {
    "leave.md": text("Leave", "Annual leave is twenty five days a year."),
    "board/leave.md": text("Leave of the board", "Annual leave of the board is forty days."),
    "desk/leave.md": text("Leave at the desk", "Annual leave at the desk is thirty days."),
}
READERS: Mapping[str, frozenset[str]] = {
    "leave.md": frozenset({"group:staff"}),
    "board/leave.md": frozenset({"group:board"}),
    "desk/leave.md": frozenset({"user:ann", "user:bot", "group:desk"}),
}
DESK = (
    'documents: {from: rules, rules: [{match: "board/**", allow: [group:board]}, '
    '{match: "desk/**", allow: ["user:ann", "user:bot", group:desk]}]}'
)
NOW_S = int(NOW.timestamp())
BODY = {"query": "annual leave days", "purpose": "employee-support", "k": 10}


def bearer(**claims: object) -> dict[str, str]:
    times = {"iat": NOW_S - 60, "exp": NOW_S + 600}
    credential = token(**{**times, **claims})  # type: ignore[arg-type]  # mypy takes them for the other arguments
    return {"Authorization": f"Bearer {credential}"}


@dataclass(frozen=True, kw_only=True)
class Service:
    """The application over an installation whose source has documents for staff, for the board and for a desk."""

    bench: Bench
    client: TestClient
    numbers: Iterator[int]

    def grant(self, grant: AgentGrant = GRANT) -> GrantId:
        grant_id = GrantId(f"{next(self.numbers):024x}")
        with self.bench.database.writing() as session:
            agents.create(session, grant_id, grant, now=self.bench.clock())
        return grant_id

    def revoke(self, grant_id: GrantId) -> None:
        with self.bench.database.writing() as session:
            agents.revoke(session, grant_id, self.bench.clock())

    def ask(self, **claims: object) -> Response:
        return self.client.post("/v1/retrieve", json=BODY, headers=bearer(**claims))

    def seen(self, **claims: object) -> set[str]:
        """The documents that are cited, by origin id."""
        answer = self.ask(**claims)
        assert answer.status_code == HTTPStatus.OK
        ids = {self.bench.keyring.document_id(handbook.source().name, name): name for name in FILES}
        return {ids[passage["document"]] for passage in answer.json()["passages"]}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("agents")
    create(folder / "home")
    with opened(folder / "home") as bench:
        bench.origin.files = dict(FILES)
        bench.sync(bench.apply((RULES, DESK)))
        tokens = Tokens([trusted(folder / "jwks.json")], fetch=lambda _: b"")
        lookup = Lookup(
            keyring=bench.keyring,
            shelf=Shelf(home=bench.home),
            redactor=bench.stages.redactor,
            embedder=bench.stages.embedder,
            node=bench.workshop.node,
        )
        identity = Identity(reading=bench.database.reading, tokens=tokens)
        gateway = Retrieval(database=bench.database, lookup=lookup, identity=identity, clock=bench.clock)
        ids = map("r{}".format, count(1))
        app = create_app(
            gateway, UNUSED, new_request_id=lambda: next(ids), retrieve_threads=1, max_retrievals_waiting=8
        )
        with TestClient(app) as client:
            yield Service(bench=bench, client=client, numbers=count(1))
    catalogs.drop(folder)


@pytest.fixture
def granted(service: Service) -> Iterator[Service]:
    """The service with the grant in force."""
    grant_id = service.grant()
    yield service
    service.revoke(grant_id)
    service.bench.clock.now = NOW


def test_with_an_agent_a_user_sees_what_both_may(granted: Service) -> None:
    assert granted.seen() == set(FILES)
    assert granted.seen(act={"sub": "bot"}) == {"leave.md", "desk/leave.md"}
    assert granted.seen(act={"sub": "bot"}, groups=["board"]) == {"desk/leave.md"}
    assert granted.seen(act={"sub": "bot"}, groups=["board"], sub="bob") == set()


def test_a_grant_gives_nothing_that_the_user_may_not_see(service: Service) -> None:
    grant_id = service.grant(of(groups=frozenset({"board", "desk"})))
    assert service.seen(sub="bob", groups=["staff"]) == {"leave.md"}
    assert service.seen(sub="bob", groups=["staff"], act={"sub": "bot"}) == set()
    service.revoke(grant_id)


def test_an_agent_never_operates_whatever_its_user_may(granted: Service) -> None:
    operator = bearer(roles=[role.value for role in Role], act={"sub": "bot"})
    assert granted.client.get("/v1/jobs", headers=operator).status_code == HTTPStatus.FORBIDDEN


def test_the_record_names_the_agent_and_the_user(granted: Service) -> None:
    granted.seen(act={"sub": "bot", "act": {"sub": "planner"}})
    record = granted.bench.audit()[-1]
    assert (record.actor, json.loads(record.detail)["agent"]) == ("caller:ann", "bot")


def test_an_agent_that_is_the_user_itself_needs_the_grant_too(service: Service) -> None:
    assert service.ask(sub="bot", act={"sub": "bot"}).status_code == HTTPStatus.UNAUTHORIZED
    grant_id = service.grant()
    assert service.seen(sub="bot", act={"sub": "bot"}) == {"leave.md", "desk/leave.md"}
    service.revoke(grant_id)


def nested(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": "planner"}
    for _ in range(depth):
        act = {"sub": "planner", "act": act}
    return act


@pytest.mark.parametrize(
    "act",
    [
        {"sub": "bot", "iss": ISSUER},
        {"sub": "bot", "act": {"sub": "planner", "iss": "https://other.example", "act": {"sub": "nobody"}}},
        {"sub": "bot", "act": nested(100)},
        {"sub": "bot", "groups": ["board"], "exp": 1, "aud": "other"},
    ],
)
def test_prior_actors_and_other_claims_of_the_agent_have_no_say(granted: Service, act: dict[str, Any]) -> None:
    assert granted.seen(act=act) == {"leave.md", "desk/leave.md"}


REFUSED: tuple[dict[str, Any], ...] = (
    *({"act": act} for act in ("bot", ["bot"], [{"sub": "bot"}], None, 5, True, {}, {"act": {"sub": "bot"}})),
    *({"act": {"sub": sub}} for sub in ("Bot", "planner", "", " bot", "bot\x00", "b" * 257, 5, None, ["bot"])),
    *({"act": {"sub": "bot", "iss": issuer}} for issuer in ("https://other.example", ISSUER + "/", "", None, 5)),
    *({"act": {"sub": "bot", "act": prior}} for prior in ("planner", None, {}, {"sub": 5}, {"sub": "a", "iss": 5})),
    {"act": {"sub": "planner", "act": {"sub": "bot"}}},
    {"act": {"sub": "bot", "padding": "x" * 8192}},
    {"act": {"sub": "bot", "act": nested(400)}},
    *({"act": {"sub": "bot"}, "may_act": may} for may in ({"sub": "other"}, {}, "bot", None, ["bot"])),
    {"act": {"sub": "bot"}, "may_act": {"sub": "bot", "iss": "https://other.example"}},
)


@pytest.mark.parametrize("claims", REFUSED, ids=range(len(REFUSED)))
def test_an_agent_that_has_no_grant_or_is_not_as_it_must_be_is_nobody(granted: Service, claims: dict[str, Any]) -> None:
    answer, usual = granted.ask(**claims), granted.client.post("/v1/retrieve", json=BODY)
    told = answer.json() | {"request_id": usual.json()["request_id"]}
    assert (answer.status_code, told) == (HTTPStatus.UNAUTHORIZED, usual.json())


@pytest.mark.parametrize(
    "may_act", [{"sub": "bot"}, {"sub": "bot", "iss": ISSUER}, {"sub": "bot", "email": "bot@example.org"}]
)
def test_an_agent_that_the_token_names_beforehand_may_act(granted: Service, may_act: dict[str, Any]) -> None:
    assert granted.seen(act={"sub": "bot"}, may_act=may_act) == {"leave.md", "desk/leave.md"}


def test_a_token_that_only_says_who_may_act_speaks_for_its_user(service: Service) -> None:
    assert service.seen(may_act={"sub": "bot"}) == set(FILES)


def test_a_grant_is_asked_at_every_request(service: Service) -> None:
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.UNAUTHORIZED
    grant_id = service.grant()
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.OK
    service.revoke(grant_id)
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.UNAUTHORIZED


def test_an_expired_grant_and_one_for_another_issuer_are_none(service: Service) -> None:
    short = service.grant(replace(GRANT, expires=NOW + timedelta(seconds=30)))
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.OK
    service.bench.clock.forward(timedelta(seconds=30))
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.UNAUTHORIZED
    assert service.ask().status_code == HTTPStatus.OK
    service.bench.clock.now = NOW
    service.revoke(short)
    others = service.grant(replace(GRANT, issuer="https://other.example"))
    assert service.ask(act={"sub": "bot"}).status_code == HTTPStatus.UNAUTHORIZED
    assert service.ask(act={"sub": "bot", "iss": "https://other.example"}).status_code == HTTPStatus.UNAUTHORIZED
    service.revoke(others)


GROUPS = st.frozensets(st.sampled_from(["staff", "board", "desk", "contractors", "visitors"]))
PURPOSES = st.frozensets(st.sampled_from(["employee-support", "payroll"]), min_size=1)
REGIONS = st.sampled_from(["gb", "fr", "us"])
PARTIES = st.builds(
    Agent, subject=st.sampled_from(["ann", "bob", "bot"]), groups=GROUPS, purposes=PURPOSES, region=REGIONS
)


def may_see(party: Agent) -> set[str]:
    """What the design gives a party, from the rules as they are written above."""
    principals = {f"user:{party.subject}", *(f"group:{group}" for group in party.groups)}
    if "contractors" in party.groups or party.region == "us" or "employee-support" not in party.purposes:
        return set()
    return {name for name, readers in READERS.items() if principals & readers}


@settings(max_examples=100)
@given(user=PARTIES, agent=PARTIES)
def test_with_an_agent_is_seen_what_the_user_and_the_agent_may_see_and_never_more(
    service: Service, user: Agent, agent: Agent
) -> None:
    claims = {
        "sub": user.subject,
        "groups": sorted(user.groups),
        "purposes": sorted(user.purposes),
        "country": (user.region or "").upper(),
    }
    grant_id = service.grant(replace(GRANT, agent=agent))
    try:
        alone, together = service.seen(**claims), service.seen(**claims, act={"sub": agent.subject})
    finally:
        service.revoke(grant_id)
    assert alone == may_see(user)
    assert together == may_see(user) & may_see(agent)
    assert together <= alone
