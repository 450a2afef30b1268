"""One HTTP exchange of a client with a gateway: within a deadline, up to a size, and with nobody else.

A connection of its own for each request. No proxy, no `.netrc`, no redirect: the credential goes to the address that
was named or nowhere. Nothing but the standard library is imported.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from policies.errors import DependencyError, IntegrityError, RefusedError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAX_ANSWER_BYTES: Final = 8 * 2**20
"""Chosen: several times what fifty of the longest passages take."""
_CHUNK_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}


class AddressError(RefusedError):
    """The address is none, or not one that a credential may be sent to."""

    code = "address_invalid"


class AwayError(DependencyError):
    """No answer came. `again` says whether the gateway has done nothing for sure, so that asking anew is harmless.

    `code` is the gateway's own where it said one, such as `busy`. `request_id` is for its operator, None where it gave
    none.
    """

    code: str = "unreachable"  # type: ignore[misc]  # each has its own

    def __init__(
        self,
        message: str,
        *,
        mend: str,
        again: bool = False,
        code: str = "unreachable",
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, mend=mend, retry_after_s=retry_after_s)
        self.code = code
        self.again = again
        self.request_id = request_id


class MalformedError(IntegrityError):
    """What came is no answer of a gateway. Nothing of it is believed, and nothing of it is in the message."""

    code = "answer_malformed"

    def __init__(self, message: str) -> None:
        super().__init__(message, mend="See that the address is a gateway's, of the client's version or later.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a gateway listens. `path` goes before every path of its own, "" or "/so"; `tls` is None for clear text."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back, whole. `media_type` is in lower case without parameters, `retry_after_s` None if not said."""

    status: int
    media_type: str
    retry_after_s: float | None
    body: bytes = field(repr=False)


def address(url: str, *, clear_text: bool, tls: ssl.SSLContext | None) -> Address:
    """The address that a URL names.

    Raises:
        AddressError: it is none, or leads over the network in clear text and `clear_text` does not allow that.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_address() from None  # the cause holds the address, which can hold a password
    plain = url.isascii() and url.isprintable() and " " not in url
    if (
        parts.scheme not in _PORTS
        or not host
        or not plain
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise _no_address()
    if parts.scheme == "http" and not (clear_text or _is_loopback(host)):
        raise AddressError(
            "The token would cross the network in clear text.",
            mend="Give an https:// address, or say clear_text=True where the network itself is private.",
        )
    return Address(
        host=host,
        port=port or _PORTS[parts.scheme],
        path=parts.path.rstrip("/"),
        tls=(tls or ssl.create_default_context()) if parts.scheme == "https" else None,
    )


def exchange(where: Address, path: str, *, headers: Mapping[str, str], body: bytes, deadline: float) -> Reply:
    """What a POST brings back before `deadline`, an instant of `time.monotonic`.

    Raises:
        AwayError: no whole answer came in time.
        AddressError: the host does not prove who it is, or sends elsewhere.
        MalformedError: it does not speak HTTP, or the answer is larger than MAX_ANSWER_BYTES.
    """
    connection = Connection(where, deadline)
    try:
        connection.request("POST", where.path + path, body=body, headers=dict(headers))
        with connection.getresponse() as response:
            return _reply(response)
    except TimeoutError as error:
        raise late() from error
    except ConnectionRefusedError as error:
        raise AwayError("Nothing listens there.", mend="Start the gateway, or mend the address.", again=True) from error
    except ssl.SSLCertVerificationError as error:
        raise AddressError(
            "The host does not prove that it is the one named.",
            mend="Mend its certificate, or give its authority: tls=ssl.create_default_context(cafile=...).",
        ) from error
    except (OSError, http.client.IncompleteRead):
        raise _broken_off() from None  # the cause can hold a part of the answer
    except http.client.HTTPException:
        raise MalformedError("What came is not HTTP.") from None
    finally:
        connection.close()


def late() -> AwayError:
    """That the time is over."""
    return AwayError(
        "No answer came in time.", mend="Ask again with the same key, or allow more with timeout_s.", code="timeout"
    )


def _no_address() -> AddressError:
    return AddressError(
        "The address is not one of a gateway.",
        mend="Give scheme, host and port, such as https://penstock.example:8080, without user, query or fragment.",
    )


def _broken_off() -> AwayError:
    return AwayError("The answer broke off, or none came.", mend="Ask again with the same key.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _reply(response: http.client.HTTPResponse) -> Reply:
    if 300 <= response.status < 400:  # noqa: PLR2004 - the class of redirects
        raise AddressError(
            "The address redirects, which is not followed: the token goes where it was told to, or nowhere.",
            mend="Give the address where the gateway itself answers.",
        )
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise MalformedError("The answer is compressed, which was not asked for.")
    after = response.headers.get("retry-after", "")
    return Reply(
        status=response.status,
        media_type=response.headers.get_content_type(),
        retry_after_s=float(after) if after.isdecimal() and len(after) < 6 else None,  # noqa: PLR2004 - a day and more
        body=_body(response),
    )


def _body(response: http.client.HTTPResponse) -> bytes:
    chunks: list[bytes] = []
    room_bytes = MAX_ANSWER_BYTES
    while room_bytes >= 0 and (chunk := response.read(_CHUNK_BYTES)):
        chunks.append(chunk)
        room_bytes -= len(chunk)
    if room_bytes < 0:
        raise MalformedError(f"The answer is larger than {MAX_ANSWER_BYTES} bytes.")
    if response.length:
        raise _broken_off()
    return b"".join(chunks)


class Connection(http.client.HTTPConnection):
    """A connection that ends at the deadline, an instant of `time.monotonic`, however slowly the bytes come.

    Looking the host's name up takes as long as the resolver allows.
    """

    def __init__(self, where: Address, deadline: float) -> None:
        super().__init__(where.host, where.port)
        self.default_port = _PORTS["https" if where.tls else "http"]
        self._where = where
        self._deadline = deadline

    def connect(self) -> None:
        """Connect to the first address of the host that answers."""
        last: OSError = ConnectionRefusedError()
        addresses = socket.getaddrinfo(self._where.host, self._where.port, type=socket.SOCK_STREAM)
        for tried, (*_, found) in enumerate(addresses):
            # One that swallows what is sent leaves the others their share of the time.
            share_s = _left_s(self._deadline) / (len(addresses) - tried)
            try:
                raw = socket.create_connection((str(found[0]), self._where.port), timeout=share_s)
            except OSError as error:
                last = error
                continue
            self.sock = _Stream(self._secured(raw), self._deadline)
            return
        raise last

    def _secured(self, raw: socket.socket) -> socket.socket:
        if self._where.tls is None:
            return raw
        try:
            raw.settimeout(_left_s(self._deadline))
            return self._where.tls.wrap_socket(raw, server_hostname=self._where.host)
        except BaseException:
            raw.close()
            raise


class _Stream:
    """What http.client asks of a socket. Its own timeouts are for one read, of which a slow host needs many."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, content: "ReadableBuffer") -> None:
        """Send all of it."""
        self._sock.settimeout(_left_s(self._deadline))
        self._sock.sendall(content)

    def makefile(self, _: str) -> io.BufferedReader:
        """A reader of what comes."""
        return io.BufferedReader(_Incoming(self._sock, self._deadline), _CHUNK_BYTES)

    def close(self) -> None:
        """Close the socket once its readers are closed."""
        self._sock.close()


class _Incoming(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._sock.settimeout(_left_s(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
