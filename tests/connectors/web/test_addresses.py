"""Names that lead inside, and redirects that do."""

import ipaddress
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.base import Upsert
from connectors.secrets import Secrets
from connectors.web import WebConnector
from connectors.web.addresses import CONNECT_TIME_S, Addresses, Deadline, GuardedNetwork, is_public
from connectors.web.client import Client
from connectors.web.options import read_options
from policies.errors import DependencyError, RefusedError
from tests.connectors.web.server import TAKEN, Answer, Web

PUBLIC = "93.184.215.14"


NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.215.14",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)


@dataclass
class Names:
    """A resolver that gives one answer after the other, the last for ever."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        assert port > 0
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Wires(httpcore2.NetworkBackend):
    """A network on which every address is this machine's site."""

    port: int
    dead: frozenset[str] = frozenset()
    connected: list[str] = field(default_factory=list)
    times_s: list[float | None] = field(default_factory=list)

    def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002 - every port is the site's
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self.connected.append(host)
        self.times_s.append(timeout)
        if host in self.dead:
            raise httpcore2.ConnectError
        return httpcore2.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout, local_address, socket_options)


def named_site(
    web: Web, names: Names, wires: Wires, *, tls: ssl.SSLContext | None = None, **options: object
) -> WebConnector:
    """A connector to docs.example, which is as public as `names` says."""
    scheme = "https" if tls else "http"
    usual = {"start": [f"{scheme}://docs.example/"], "allow": [f"{scheme}://docs.example/"], "delay_s": 0}
    site = read_options({**usual, **options}, secrets=Secrets(environment={}, base=Path()))
    network = GuardedNetwork(addresses=site.addresses, deadline=Deadline(), resolve=names, network=wires)
    context = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return WebConnector(site=site, client=Client(site, network=network, tls=context, sleep=web.slept.append))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_inside_is_refused_before_anything_is_connected(web: Web, address: str) -> None:
    wires = Wires(web.port)
    with pytest.raises(RefusedError, match=r"not a public address.*allow_private"):
        list(named_site(web, Names([[address]]), wires).list(None))
    assert wires.connected == []


def test_a_name_with_good_and_bad_addresses_is_refused(web: Web) -> None:
    wires = Wires(web.port)
    for found in ([PUBLIC, "10.0.0.1"], ["2606:2800:21f::1", PUBLIC, "::1"]):
        with pytest.raises(RefusedError):
            list(named_site(web, Names([found]), wires).list(None))
    assert wires.connected == []


def test_the_connection_goes_to_the_address_that_was_checked(web: Web) -> None:
    web.html("/")
    names, wires = Names([[PUBLIC], ["127.0.0.1"]]), Wires(web.port)
    changes = list(named_site(web, names, wires).list(None))
    assert [change.document.origin_id for change in changes if isinstance(change, Upsert)] == ["docs.example/"]
    assert (names.asked, wires.connected) == (["docs.example"], [PUBLIC])
    assert {asked.headers["Host"] for asked in web.asked} == {"docs.example"}


def test_a_name_that_is_bound_anew_between_two_connections_is_refused(web: Web) -> None:
    web.html("/", "/a", Connection="close")
    web.pages["/robots.txt"] = Answer(status=404, headers={"Connection": "close"})
    names, wires = Names([[PUBLIC], [PUBLIC], ["169.254.169.254"]]), Wires(web.port)
    with pytest.raises(RefusedError, match=r"169\.254\.169\.254"):
        list(named_site(web, names, wires).list(None))
    assert (len(names.asked), wires.connected) == (3, [PUBLIC, PUBLIC])
    assert web.targets == ["/"]


def test_a_name_with_several_addresses_is_tried_at_three_of_them(web: Web) -> None:
    web.html("/")
    found = [f"93.184.215.{number}" for number in range(5)]
    wires = Wires(web.port, dead=frozenset(found[:2]))
    assert len(list(named_site(web, Names([found]), wires).list(None))) == 2
    assert wires.connected == found[:3]
    wires = Wires(web.port, dead=frozenset(found[:3]))
    with pytest.raises(DependencyError):
        list(named_site(web, Names([found]), wires).list(None))
    assert set(wires.connected) == set(found[:3])
    assert set(wires.times_s) == {CONNECT_TIME_S}


def test_a_name_that_does_not_resolve_is_a_site_that_is_away(web: Web) -> None:
    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    for resolve in (unknown, Names([[]])):
        with pytest.raises(DependencyError, match="does not answer"):
            web.told(resolve=resolve)


def test_a_redirect_to_another_allowed_name_is_checked_too(web: Web) -> None:
    web.redirect("/", "http://inside.example/")
    names, wires = Names([[PUBLIC], ["10.0.0.1"]]), Wires(web.port)
    allow = ["http://docs.example/", "http://inside.example/"]
    with pytest.raises(RefusedError, match=r"'inside.example' resolves to 10\.0\.0\.1"):
        list(named_site(web, names, wires, allow=allow).list(None))
    assert wires.connected == [PUBLIC]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://localhost:1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "http://user@127.0.0.1/",
        "\\\\169.254.169.254\\",
        "http:/\\169.254.169.254/",
    ],
)
def test_a_redirect_out_of_the_allow_list_is_not_followed(web: Web, location: str) -> None:
    web.html("/", "/hop", "/other")
    web.redirect("/hop", location)
    web.html("/other")
    assert web.told() == {"": "incomplete", "/": TAKEN, "/other": TAKEN, "/hop": "outside_allow_list"}
    assert web.targets == ["/", "/hop", "/other", "/"]
    assert web.fetched("/hop", max_bytes=100) == "unreadable"


def test_only_networks_and_hosts_that_are_named_are_opened() -> None:
    def admits(
        address: str, *, host: str = "h.example", networks: Sequence[str] = (), hosts: Sequence[str] = ()
    ) -> bool:
        opened = Addresses(networks=tuple(map(ipaddress.ip_network, networks)), hosts=frozenset(hosts))
        return opened.admits(ipaddress.ip_address(address), host=host)

    assert admits(PUBLIC)
    assert admits("10.1.2.3", networks=["10.1.0.0/16"])
    assert not admits("10.2.2.3", networks=["10.1.0.0/16"])
    assert admits("10.1.2.3", hosts=["h.example"])
    assert admits("127.0.0.1", hosts=["h.example"])
    assert not admits("10.1.2.3", hosts=["h.example"], host="other.example")
    assert not admits("169.254.1.1", hosts=["h.example"])
    assert not admits("224.0.0.1", hosts=["h.example"])
    assert not admits("169.254.169.254", networks=["169.254.0.0/16"])
    assert admits("169.254.169.254", networks=["169.254.169.254/32"])
    assert not admits("64:ff9b::a9fe:a9fe", networks=["64:ff9b::/96"])
    assert not admits("64:ff9b::a00:1", networks=["64:ff9b::/96"])
    assert admits("64:ff9b::5db8:d70e", networks=["64:ff9b::/96"])
    assert not admits("::ffff:10.0.0.1", networks=["::ffff:0:0/96"])
    assert admits("::ffff:10.0.0.1", networks=["::ffff:0:0/96", "10.0.0.0/8"])
    assert not admits("2002:a00:1::", networks=["2002::/16"])


def test_addresses_of_the_public_network_are_public() -> None:
    for address in ("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "2a00::1"):
        assert is_public(ipaddress.ip_address(address))


def test_the_environments_proxies_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    web.html("/")
    assert web.told()["/"] == TAKEN


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of docs.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "docs.example")])
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("docs.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "docs.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_asks_for_the_name_and_checks_it(tmp_path: Path, certificate: Path) -> None:
    asked: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    client = ssl.create_default_context(cafile=str(certificate))
    web = Web(tmp_path, tls=server)
    web.html("/")
    wires = Wires(web.port)
    listing = list(named_site(web, Names([[PUBLIC]]), wires, tls=client).list(None))
    assert [change.document.uri for change in listing if isinstance(change, Upsert)] == ["https://docs.example/"]
    assert asked == ["docs.example"]
    other = {"start": ["https://other.example/"], "allow": ["https://other.example/"]}
    with pytest.raises(DependencyError):
        list(named_site(web, Names([[PUBLIC]]), wires, tls=client, **other).list(None))
    assert {asked.headers["Host"] for asked in web.asked} == {"docs.example"}
    web.close()
