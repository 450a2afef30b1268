"""The client for agents: what may be done with an answer is its type, so that a guardrail cannot overlook it.

    client = Client("https://penstock.example", token)
    match client.retrieve(question, purpose="customer-support"):
        case Answered(passages=passages):
            send(draft(question, passages))
        case Cautioned(passages=passages, caveats=caveats):
            ask_for_approval(draft(question, passages), caveats)
        case HandedOff(request_id=request):
            give_to_a_person(request)

A verdict of `answer` or `caution` is believed of a whole and consistent answer only; whatever else comes is an error.
The module and all that it imports need the standard library alone. A client may be used from several threads at once,
in asynchronous code by `await asyncio.to_thread(client.retrieve, ...)`.

PenstockError
├── RefusedError
│   ├── AddressError            the address is none, or not one that the token may be sent to
│   └── ProblemError            the gateway refused; the same request will be refused again
├── DependencyError
│   └── AwayError               no answer within `timeout_s`; ask again with the same `key`
└── IntegrityError
    └── MalformedError          what came is no answer of a gateway; nothing of it is believed
"""

import json
import logging
import re
import secrets
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from http import HTTPStatus
from typing import Final, NoReturn, Self, TypeAlias

from gateway.answer import CitedPassage
from gateway.believe import Object, parsed
from gateway.exchange import Address, AddressError, AwayError, MalformedError, Reply, address, exchange
from gateway.guardrail import Cause
from policies.errors import RefusedError
from policies.model import ConfidenceStatus, DocumentId, SourceName, Verdict

__all__ = [
    "AddressError",
    "Answered",
    "AwayError",
    "Cautioned",
    "CitedPassage",
    "Client",
    "ConfidenceStatus",
    "HandedOff",
    "MalformedError",
    "ProblemError",
    "Retrieved",
]

TIMEOUT_S: Final = 30.0
TRIES: Final = 4
BACKOFF_S: Final = 0.25
"""Chosen: before the second try, doubled before each that follows; up to half as much comes on top at random."""
MAX_REASON_CHARS: Final = 200

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""
_KEY: Final = re.compile(r"[ -~]{1,255}")
_MAX_DETAIL_CHARS: Final = 2000

_log = logging.getLogger(__name__)

CAVEATS: Final[Mapping[str, str]] = {
    Cause.NO_VISIBLE_PASSAGE: "No passage may be shown for this question.",
    Cause.UNCALIBRATED: "Nobody has said yet which questions this source answers.",
    Cause.PROVISIONAL: "The confidence rests on few labelled questions.",
    Cause.STALE: "What can be seen has changed since the confidence was calibrated.",
    Cause.SEVERAL_SOURCES: "The passages come from several sources, for which no risk is certified together.",
    Cause.NO_THRESHOLD: "No confidence is high enough to keep this source's risk.",
    Cause.NOT_CERTIFIED: "The risk of this source is not certified.",
    Cause.BELOW_THRESHOLD: "The confidence is too low to keep this source's risk.",
    Cause.BELOW_CERTIFIED: "The confidence is below the one from which the risk is certified.",
    Cause.TERMS_UNMATCHED: "Words of the question are in none of the passages.",
}
"""What a reason means, in a sentence for a person."""


class ProblemError(RefusedError):
    """The gateway refused (RFC 9457). `mend` is what it said is wrong and how to mend it.

    `code` is stable; `http_status` is 4xx; `request_id` is for the gateway's operator, None where it gave none.
    """

    code: str = "refused"  # type: ignore[misc]  # each has the gateway's

    def __init__(self, *, code: str, http_status: int, detail: str, request_id: str | None) -> None:
        super().__init__(f"The gateway refused ({http_status}, {code}).", mend=detail)
        self.code = code
        self.http_status = http_status
        self.request_id = request_id


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What is said of every answer.

    `missing_labels` is about how many labels the calibration lacks for the next better status, None where nobody knows;
    `unmatched_terms` are words of the redacted query that none of the first passages holds. A gateway of an older
    version tells neither.
    """

    request_id: str
    reasons: tuple[str, ...]
    status: ConfidenceStatus
    calibration: str | None
    missing_labels: int | None = None
    unmatched_terms: tuple[str, ...] = field(default=(), repr=False)

    @property
    def caveats(self) -> tuple[str, ...]:
        """The reasons in words, for a person."""
        return tuple(CAVEATS.get(reason, reason) for reason in self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered(_Outcome):
    """The passages hold the answer, but for at most the certified risk of the source.

    `confidence` is the calibrated probability of that, 0 to 1. `passages` has at least one, best first.
    """

    confidence: float
    passages: tuple[CitedPassage, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cautioned(_Outcome):
    """The passages may hold the answer; `caveats` say what is not vouched for. Let a person approve what is made of it.

    `confidence` is the calibrated probability that they do, 0 to 1. `passages` has at least one, best first.
    """

    confidence: float
    passages: tuple[CitedPassage, ...]


class _Withheld:
    """Passages that no repr, `asdict`, serialiser or pickle shows, for whoever logs or keeps a whole answer."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], tuple[CitedPassage, ...]]) -> None:
        self.read = read

    def __repr__(self) -> str:
        return "<withheld>"

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[[], "_Withheld"], tuple[()]]:
        return _lost, ()


def _lost() -> _Withheld:
    return _Withheld(_read_of_pickle)


def _read_of_pickle() -> NoReturn:
    raise RefusedError(
        "The passages of a hand-off are not kept in a pickle.", mend="Read them where it was retrieved, or ask again."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOff(_Outcome):
    """A person is to answer. What was found is not to be used, and is not to be had by accident.

    `confidence` is the calibrated probability that it holds the answer, 0 to 1, None where none is known.
    """

    confidence: float | None
    _withheld: "_Withheld" = field(repr=False, compare=False)

    def passages_against_verdict(self, *, reason: str) -> tuple[CitedPassage, ...]:
        """What was found, for whoever takes it on themselves: to show it to the person who answers, for instance.

        The reason is logged with the request id, as a warning. It is 1 to 200 characters, and of the program's making:
        no question, no name.

        Raises:
            RefusedError: there is no reason, or the passages are not there any more: a pickle holds none.
        """
        if not reason.strip() or len(reason) > MAX_REASON_CHARS:
            raise RefusedError(
                "The passages of a hand-off are read for a reason only.",
                mend=f"Say it in 1 to {MAX_REASON_CHARS} characters.",
            )
        _log.warning("hand-off read against its verdict request=%s reason=%r", self.request_id, reason)
        return self._withheld.read()


Retrieved: TypeAlias = Answered | Cautioned | HandedOff


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A gateway as one caller sees it. `token` is an API key or a token of an issuer.

    `timeout_s` is for one call with all its tries. `http://` is for this machine only, unless `clear_text` says that
    the network itself is private. `tls` is what a certificate is checked with, by default the system's authorities.

    Raises:
        AddressError, RefusedError: the address or the token cannot be used.
    """

    base_url: str
    token: str = field(repr=False)
    _: KW_ONLY
    timeout_s: float = TIMEOUT_S
    clear_text: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    _address: Address = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token):
            raise RefusedError("The token is none.", mend="Give it alone, without `Bearer` and without line ends.")
        object.__setattr__(self, "_address", address(self.base_url, clear_text=self.clear_text, tls=self.tls))

    def retrieve(
        self,
        query: str,
        *,
        purpose: str,
        sources: Sequence[str] | None = None,
        k: int | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> Retrieved:
        """What the gateway says to a query, as a type that says what may be done with it.

        `sources` are names, None for every source the caller may use; `k` is how many passages are wanted, 1 to 50, by
        default 10. `key` is the same for every attempt at the same question, 1 to 255 printable characters: a hand-off
        that is asked for again waits in the queue once. Without one each call has its own, which all its tries share.

        Raises:
            ProblemError: the gateway refused. AwayError: no answer in time. AddressError: the address sends elsewhere.
            MalformedError: what came is no answer. RefusedError: the key is none.
        """
        named = [sources] if isinstance(sources, str) else sources and list(sources)
        wanted = {"query": query, "purpose": purpose, "sources": named, "k": k, "conversation": conversation}
        return _retrieved(self._post("/v1/retrieve", wanted, key))

    def feedback(
        self, request_id: str, *, sufficient: bool, answerable: bool | None = None, key: str | None = None
    ) -> None:
        """Tell whether the passages of an answer held what the question needed.

        `answerable` says whether the source has an answer at all, None where nobody knows. Once the call returns, the
        feedback is durable; the same again changes nothing. It takes the role reviewer, and not whoever asked.

        Raises:
            As `retrieve`.
        """
        wanted = {"request_id": request_id, "sufficient": sufficient, "answerable": answerable}
        kept = self._post("/v1/feedback", wanted, key)
        if any(kept.value(name) != value for name, value in wanted.items()):
            raise MalformedError("The gateway kept other feedback than was given.")

    def _post(self, path: str, wanted: Mapping[str, object], key: str | None) -> Object:
        body = json.dumps({name: value for name, value in wanted.items() if value is not None}).encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": _JSON,
            "Accept": _JSON,
            "Connection": "close",
            "Idempotency-Key": _quoted(str(uuid.uuid4()) if key is None else key),
        }
        deadline = time.monotonic() + self.timeout_s

        def ask() -> Object:
            return _read(exchange(self._address, path, headers=headers, body=body, deadline=deadline))

        return _persistently(ask, deadline)


def _persistently(ask: Callable[[], Object], deadline: float) -> Object:
    """What `ask` returns, tried again only while the gateway says for sure that it did nothing."""
    tried = 0
    while True:
        try:
            return ask()
        except AwayError as error:
            pause_s = max(error.retry_after_s or 0, BACKOFF_S * 2**tried) * secrets.SystemRandom().uniform(1, 1.5)
            tried += 1
            if not error.again or tried == TRIES or time.monotonic() + pause_s >= deadline:
                raise
        time.sleep(pause_s)


def _quoted(key: str) -> str:
    """The key as RFC 9651 writes a string."""
    if not _KEY.fullmatch(key):
        raise RefusedError("The key is none.", mend="Give 1 to 255 printable ASCII characters.")
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read(reply: Reply) -> Object:
    """What a 200 says.

    Raises:
        ProblemError, AwayError: it is another status. MalformedError: it says nothing that can be relied on.
    """
    if reply.status == HTTPStatus.OK:
        if reply.media_type != _JSON:
            raise MalformedError("The answer is not declared as JSON.")
        return parsed(reply.body)
    code, detail, request_id = _problem(reply)
    again = reply.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
    if again or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AwayError(
            f"The gateway did not answer ({reply.status}, {code}).",
            mend=detail,
            again=again,
            code=code,
            request_id=request_id,
            retry_after_s=reply.retry_after_s,
        )
    if reply.status < HTTPStatus.BAD_REQUEST:
        raise MalformedError(f"The answer has the status {reply.status}.")
    raise ProblemError(code=code, http_status=reply.status, detail=detail, request_id=request_id)


def _problem(reply: Reply) -> tuple[str, str, str | None]:
    """Code, detail and request id of a problem; something in between may have answered without any of them."""
    unknown = f"http_{reply.status}", "No details came: something before the gateway may have answered.", None
    if reply.media_type != _PROBLEM:
        return unknown
    try:
        said = parsed(reply.body)
        code, request_id = said.text("code"), said.text("request_id")
        faults = said.each("errors") if "errors" in said.fields else ()
        told = [said.text("detail"), *(f"{fault.text('path')}: {fault.text('expected')}." for fault in faults)]
    except MalformedError:
        return unknown
    # Shown in logs and terminals, so without anything that steers them.
    detail = "".join(sign if sign.isprintable() else " " for sign in " ".join(told))[:_MAX_DETAIL_CHARS]
    return (code, detail, request_id) if _CODE.fullmatch(code) and request_id.isprintable() else unknown


def _retrieved(said: Object) -> Retrieved:
    confidence = said.one("confidence")
    value, status = confidence.probability("value"), confidence.text("status")
    verdict, passages = said.text("verdict"), tuple(map(_passage, said.each("passages")))
    if verdict not in set(Verdict) or status not in set(ConfidenceStatus):
        raise MalformedError("The answer has a verdict or a status that nobody knows.")
    common = _Outcome(
        request_id=said.text("request_id"),
        reasons=said.texts("reasons"),
        status=ConfidenceStatus(status),
        calibration=confidence.text_or_none("calibration"),
        missing_labels=None if confidence.fields.get("missing_labels") is None else confidence.whole("missing_labels"),
        unmatched_terms=said.texts("unmatched_terms") if "unmatched_terms" in said.fields else (),
    )
    return _outcome(Verdict(verdict), common, value, passages)


def _outcome(verdict: Verdict, common: _Outcome, value: float | None, passages: tuple[CitedPassage, ...]) -> Retrieved:
    shared = {one.name: getattr(common, one.name) for one in fields(_Outcome)}
    match verdict:
        case Verdict.HANDOFF:
            return HandedOff(**shared, confidence=value, _withheld=_Withheld(lambda: passages))
        case _ if value is None or not passages:
            raise MalformedError("The answer vouches for passages, and has no confidence or no passages.")
        case Verdict.CAUTION:
            return Cautioned(**shared, confidence=value, passages=passages)
        case Verdict.ANSWER if common.status is ConfidenceStatus.CERTIFIED:
            return Answered(**shared, confidence=value, passages=passages)
        case Verdict.ANSWER:
            raise MalformedError("The verdict is `answer`, and the confidence is not certified.")


def _passage(said: Object) -> CitedPassage:
    return CitedPassage(
        text=said.text("text"),
        score=said.number("score"),
        source=SourceName(said.text("source")),
        document=DocumentId(said.text("document")),
        title=said.text("title"),
        uri=said.text("uri"),
        version=said.text("version"),
        page=None if said.value("page") is None else said.whole("page"),
        section=said.text_or_none("section"),
        ordinal=said.whole("ordinal"),
    )
