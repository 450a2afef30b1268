"""A gateway and a desk over a real catalog, with callers that have keys and whatever roles."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from httpx2 import Response
from sqlalchemy import text as sql
from starlette.testclient import TestClient

from gateway import keys
from gateway.app import create_app
from gateway.identity import Identity
from gateway.keys import KeyGrant
from gateway.settings import TrustedIssuer
from gateway.tokens import Tokens
from indexer import asked, labels
from indexer.labels import Labelled
from indexer.tables import AskedRow, HandoffRow, LabelRow
from policies.manifest import Source
from policies.model import Role, SourceName
from tests.gateway.calibrating import PURPOSE
from tests.gateway.operating import FakeJobs, desk_over
from tests.gateway.test_retrieval import FILES, retrieval
from tests.indexer.workbench import Bench

HR = SourceName("hr-handbook")
UNKNOWN = "f" * 24
QUERY = "annual leave days of zed7@example.org and zebras"
KEPT = ("guardrail: {max_risk: 0.05}", "guardrail: {max_risk: 0.05, review_share: 0, keep_query: on}")
REVIEWED = ("guardrail: {max_risk: 0.05}", "guardrail: {max_risk: 0.05, review_share: 1}")


@dataclass
class House:
    """A client, what it asks, and the keys of the people in it: `ann` asks, the others review."""

    client: TestClient
    bench: Bench
    people: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def person(self, name: str, *groups: str, roles: frozenset[Role] = frozenset()) -> str:
        """The key of somebody, made now."""
        grant = KeyGrant(
            subject=name,
            groups=frozenset(groups),
            purposes=frozenset({PURPOSE}),
            region="gb",
            roles=roles,
            expires=self.bench.clock() + timedelta(days=300),
        )
        entropy = next(self._numbers).to_bytes(keys.ENTROPY_BYTES, "big")
        with self.bench.database.writing() as session:
            _, self.people[name] = keys.create(session, grant, now=self.bench.clock(), entropy=entropy[::-1])
        return self.people[name]

    def ask(self, name: str = "ann", *, key: str | None = None, **fields: object) -> Any:  # noqa: ANN401 - JSON
        """The answer to a question."""
        headers = self._headers(name) | ({} if key is None else {"idempotency-key": key})
        body = {"query": QUERY, "purpose": PURPOSE} | fields
        response = self.client.post("/v1/retrieve", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, name: str, path: str, body: object = None, *, key: str | None = None) -> Response:
        headers = self._headers(name) | {"idempotency-key": key or f'"k{next(self._numbers)}"'}
        return self.client.post(path, json={} if body is None else body, headers=headers)

    def feedback(self, name: str, request: str, **said: object) -> Response:
        return self.post(name, "/v1/feedback", {"request_id": request, **said})

    def resolve(self, name: str, handoff: str, **said: object) -> Response:
        return self.post(name, f"/v1/handoffs/{handoff}/resolve", said)

    def handoffs(self, name: str, query: str = "") -> list[Any]:
        response = self.client.get(f"/v1/handoffs{query}", headers=self._headers(name))
        assert response.status_code == 200, response.text
        return list(response.json()["handoffs"])

    def rows(self, table: type[AskedRow | LabelRow | HandoffRow]) -> list[Mapping[str, Any]]:
        with self.bench.database.reading() as session:
            found = session.connection().execute(sql(f"SELECT * FROM {table.__tablename__} ORDER BY 1"))  # noqa: S608 - our own name
            return [dict(row) for row in found.mappings()]

    def _headers(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.people[name]}"}


def fill(bench: Bench, *swaps: tuple[str, str]) -> Source:
    """The handbook, whose origin has some documents, applied and synced."""
    source = bench.apply(*swaps)
    recent = bench.clock() - timedelta(days=10)
    bench.origin.files = {name: replace(file, modified=recent) for name, file in FILES.items()}
    bench.sync(source)
    return source


@contextmanager
def house_over(bench: Bench, *, first_request: int = 1, issuers: Sequence[TrustedIssuer] = ()) -> Iterator[House]:
    """A house with `ann`, and two reviewers, `rita` and `rolf`, of her own group, and `mo` of another."""
    identity = Identity(reading=bench.database.reading, tokens=Tokens(issuers, fetch=lambda _: b""))
    numbers = itertools.count(first_request)
    app = create_app(
        replace(retrieval(bench), identity=identity),
        desk_over(bench, FakeJobs(database=bench.database, clock=bench.clock)),
        new_request_id=lambda: f"{next(numbers):024x}",
        retrieve_threads=1,
        max_retrievals_waiting=8,
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        house = House(client=client, bench=bench)
        house.person("ann", "staff")
        for name, group in (("rita", "staff"), ("rolf", "staff"), ("mo", "temps")):
            house.person(name, group, roles=frozenset({Role.REVIEWER}))
        yield house


def labelled(house: House) -> tuple[Labelled, ...]:
    with house.bench.database.reading() as session:
        return labels.labelled(session, HR, since=house.bench.clock() - asked.KEPT)


def waiting(house: House, name: str = "rita") -> Any:  # noqa: ANN401 - JSON
    (one,) = house.handoffs(name)
    return one


def problem(response: Any) -> tuple[int, str]:  # noqa: ANN401 - as above
    body = response.json()
    assert body["status"] == response.status_code, body
    return response.status_code, body["code"]
