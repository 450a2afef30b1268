"""Which network addresses may be connected to, and connections that go to those and no others.

A name is resolved once for a connection, all its addresses are checked, and the connection is made to one of the very
addresses that were checked: what the name resolves to a moment later changes nothing. TLS and the Host header keep
the name.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import httpcore2

from policies.errors import RefusedError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Name and port to addresses. Raises OSError where there are none."""

MAX_TRIES: Final = 3
"""Addresses of one name that are tried for one connection (chosen: a name with more is served by many machines)."""
CONNECT_TIME_S: Final = 10.0
"""For one of them, where the page's own time does not end before (chosen: three tries of TCP by Linux end after 7)."""

# IANA special-purpose address registries, https://www.iana.org/assignments/iana-ipv4-special-registry and
# iana-ipv6-special-registry. Written out because the ipaddress module's own answers changed within 3.11 (gh-113171).
_SPECIAL_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST_V6: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_LOCAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
_METADATA: Final = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Azure, Google Cloud and most others
        "169.254.170.2",  # AWS, credentials of a task
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's platform, a public address by its look
        "192.0.0.192",  # Oracle Cloud
    )
)
"""Where a machine in a cloud is handed its credentials."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_V4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")  # RFC 4291, section 2.5.5.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Public addresses, and those that a manifest opens beside them: `networks` to every name, `hosts` by their names.

    A host that is named opens private and loopback addresses to itself. An address where a cloud hands out credentials
    is opened by its own /32 or /128 only. One that embeds another, as NAT64 does, is opened only if both are.
    """

    networks: tuple[Network, ...]
    hosts: frozenset[str]

    def admits(self, address: Address, *, host: str) -> bool:
        """Whether a connection to `host` may go to `address`."""
        if address in _METADATA:
            return any(address in network and network.num_addresses == 1 for network in self.networks)
        if is_public(address):
            return True
        if any(address in network for network in self.networks):
            inner = _embedded(address)
            return inner is None or self.admits(inner, host=host)
        return host in self.hosts and any(address in network for network in _LOCAL)


def is_public(address: Address) -> bool:
    """Whether the address belongs to a machine on the public network, by the registries of IANA."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (address in _V4_COMPATIBLE and not address.is_loopback):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses the system's resolver has for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(kw_only=True, slots=True)
class Deadline:
    """When the exchange at work must be over, whatever its single reads take."""

    until_s: float = 0.0

    def start(self, seconds: float) -> None:
        """Give the exchange that begins so long."""
        self.until_s = time.monotonic() + seconds

    def left_s(self) -> float:
        """What is left of it.

        Raises:
            httpcore2.ReadTimeout: nothing is.
        """
        left = self.until_s - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the time for one page is over")
        return left


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardedNetwork(httpcore2.NetworkBackend):
    """Connections for httpcore that go only where `addresses` admits, and last only until `deadline`.

    One address that is not admitted refuses the name: an answer of good and bad ones is how rebinding begins.
    """

    addresses: Addresses
    deadline: Deadline
    resolve: Resolve = system_resolve
    network: httpcore2.NetworkBackend = field(default_factory=httpcore2.SyncBackend)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline holds for the whole exchange
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to `host`, by an address that was checked.

        Raises:
            RefusedError: the name resolves to an address that is not admitted.
            httpcore2.ConnectError, httpcore2.TimeoutException: it does not resolve, or nobody answers in time.
        """
        last: Exception = httpcore2.ConnectError("the name has no address")
        for address in self._checked(host, port)[:MAX_TRIES]:
            try:
                time_s = min(self.deadline.left_s(), CONNECT_TIME_S)
                stream = self.network.connect_tcp(address, port, time_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
            else:
                return _TimedStream(stream, self.deadline)
        raise last

    def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            found = self.resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError("the name does not resolve") from error
        for address in found:
            if not self.addresses.admits(ipaddress.ip_address(address), host=host):
                raise RefusedError(
                    f"The host {host!r} resolves to {address}, which is not a public address.",
                    mend="If it is meant, name the host or its network under connector.allow_private.",
                )
        return found


class _TimedStream(httpcore2.NetworkStream):
    """A stream whose every read and write ends with the deadline: a byte now and then does not prolong it."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        return self._stream.read(max_bytes, self._deadline.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        self._stream.write(buffer, self._deadline.left_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left_s())
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
