import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.objectstore import ObjectStoreConnector
from connectors.secrets import Secrets
from policies.errors import RefusedError
from tests.patience import patient

FINGERPRINT = "SHA256:" + "A" * 43
ENVIRONMENT = {"KEY": "AKIAEXAMPLE", "SECRET": "horse\nbattery", "PLAIN": "horse", "SPLIT": "x;BlobEndpoint=http://y"}
S3: dict[str, object] = {"url": "s3://docs", "include": ["**"], "key": {"env": "KEY"}, "secret": {"env": "PLAIN"}}
GS: dict[str, object] = {"url": "gs://docs", "include": ["**"], "anonymous": "true"}
AZ: dict[str, object] = {"url": "az://docs", "include": ["**"], "account": "northwind", "key": {"env": "PLAIN"}}
SFTP: dict[str, object] = {
    "url": "sftp://files.example/hr", "include": ["**"], "username": "reader", "password": {"env": "PLAIN"},
    "host_key": FINGERPRINT,
}  # fmt: skip
STORES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "s3": ("s3fs", S3),
    "gs": ("gcsfs", GS),
    "az": ("adlfs", AZ),
    "sftp": ("asyncssh", SFTP),
}


def made(options: Mapping[str, object], base: Path) -> ObjectStoreConnector:
    given = {key: value for key, value in options.items() if value is not None}
    return ObjectStoreConnector.from_options(given, secrets=Secrets(environment=ENVIRONMENT, base=base))


@pytest.mark.parametrize("scheme", STORES)
def test_a_manifest_that_says_enough_is_taken_without_asking_anybody(scheme: str, tmp_path: Path) -> None:
    library, options = STORES[scheme]
    pytest.importorskip(library)
    connector = made(options, tmp_path)
    assert connector.uri_prefix == f"{options['url']}/"
    assert connector.permissions([]) == {}
    assert not any(secret in repr(connector) for secret in ENVIRONMENT.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (S3 | {"url": None}, "connector.url is missing"),
        (S3 | {"url": 7}, "connector.url is missing"),
        (S3 | {"url": "docs"}, "no scheme"),
        (S3 | {"url": "file:///etc"}, "no scheme"),
        (S3 | {"url": "http://docs"}, "no scheme"),
        (S3 | {"url": "s3://"}, "name of a bucket"),
        (S3 | {"url": "s3:///hr"}, "name of a bucket"),
        (S3 | {"url": "s3://.."}, "name of a bucket"),
        (S3 | {"url": "s3://docs/hr?X-Amz-Signature=horse"}, "without a query"),
        (S3 | {"url": "s3://docs/hr#x"}, "without a query"),
        (S3 | {"url": "s3://AKIA:horse@docs/hr"}, "user or a password"),
        (S3 | {"url": "s3://docs/h\nr"}, "missing"),
        (S3 | {"inclde": ["**"]}, "no option 'inclde' for s3.*ambient_credentials, anonymous"),
        (S3 | {"account": "northwind"}, "no option 'account'"),
        (S3 | {"include": None}, "connector.include"),
        (S3 | {"exclude": ["/etc/*"]}, "never match"),
        (S3 | {"uri_prefix": "javascript:alert(1)//"}, "uri_prefix"),
        (S3 | {"key": None, "secret": None}, "in one way"),
        (S3 | {"secret": None}, "in one way"),
        (S3 | {"key": None}, "in one way"),
        (S3 | {"anonymous": "true"}, "in one way"),
        (S3 | {"key": None, "secret": None, "anonymous": True, "ambient_credentials": True}, "in one way"),
        (S3 | {"key": None, "secret": None, "token": {"env": "KEY"}}, "in one way"),
        (S3 | {"key": None, "secret": None, "anonymous": "yes"}, "neither true nor false"),
        (S3 | {"secret": "horse"}, "must not be a secret itself"),
        (S3 | {"secret": {"env": "MISSING"}}, "MISSING"),
        (S3 | {"secret": {"env": "SECRET"}}, "more than one line"),
        (S3 | {"endpoint": "minio:9000"}, "connector.endpoint"),
        (S3 | {"endpoint": "https://AKIA:horse@minio"}, "connector.endpoint"),
        (S3 | {"endpoint": "https://minio/?token=horse"}, "connector.endpoint"),
        (S3 | {"endpoint": "https://[minio"}, "connector.endpoint"),
        (S3 | {"endpoint": "https://minio:x"}, "connector.endpoint"),
        (S3 | {"region": ["eu-west-2"]}, "connector.region"),
        (S3 | {"region": "eu-west-2.evil.example/"}, "connector.region"),
        (S3 | {"connect_timeout_s": "0"}, "connect_timeout_s"),
        (S3 | {"read_timeout_s": "soon"}, "read_timeout_s"),
        (S3 | {"read_timeout_s": "nan"}, "read_timeout_s"),
        (S3 | {"read_timeout_s": True}, "read_timeout_s"),
        (S3 | {"read_timeout_s": 601}, "read_timeout_s"),
        (GS | {"endpoint": "http://storage.example"}, "credentials to the network"),
        (GS | {"anonymous": None, "key": {"env": "PLAIN"}}, "key file of a service account"),
        (AZ | {"account": None}, "connector.account"),
        (AZ | {"account": "evil.example/x"}, "connector.account"),
        (AZ | {"token": {"env": "PLAIN"}}, "in one way"),
        (AZ | {"key": None, "token": {"env": "SPLIT"}}, "semicolon"),
        (AZ | {"endpoint": "http://azurite:10000/northwind"}, "credentials to the network"),
        (AZ | {"endpoint": "https://x.example;AccountKey=eA=="}, "connector.endpoint"),
        (SFTP | {"username": None}, "connector.username"),
        (SFTP | {"url": "sftp://reader:horse@files.example/hr"}, "user or a password"),
        (SFTP | {"url": "sftp:///hr"}, "without a host"),
        (SFTP | {"url": "sftp://files.example:0/hr"}, "without a host"),
        (SFTP | {"url": "sftp://files.example:99999/hr"}, "without a host"),
        (SFTP | {"url": "sftp://-oProxyCommand=x/hr"}, "without a host"),
        (SFTP | {"password": None}, "in one way"),
        (SFTP | {"private_key": {"env": "PLAIN"}}, "in one way"),
        (SFTP | {"anonymous": "true"}, "no option 'anonymous'"),
        (SFTP | {"password": None, "private_key": {"env": "PLAIN"}}, "no private key"),
        (SFTP | {"host_key": None}, "connector.host_key"),
        (SFTP | {"known_hosts": "known_hosts"}, "connector.host_key"),
        (SFTP | {"host_key": "MD5:00"}, "no fingerprint"),
        (SFTP | {"host_key": None, "known_hosts": "missing"}, "connector.known_hosts"),
    ],
)
def test_wrong_options_are_refused_with_the_mend_and_without_what_may_be_secret(
    options: Mapping[str, object], message: str, tmp_path: Path
) -> None:
    scheme = str(options.get("url")).partition(":")[0]
    if scheme in STORES:
        pytest.importorskip(STORES[scheme][0])
    with pytest.raises(RefusedError, match=message) as refusal:
        made(options, tmp_path)
    assert "horse" not in str(refusal.value)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure"), ("sftp", "sftp")])
def test_an_extra_that_is_not_installed_is_named(
    scheme: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, options = STORES[scheme]
    for module in [name for name in sys.modules if name.startswith(("connectors.objectstore.", f"{library}."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(RefusedError, match=rf"needs {library}.*pip install 'penstock\[{extra}\]'"):
        made(options, tmp_path)


def test_an_answer_without_an_end_is_stopped() -> None:
    pytest.importorskip("fsspec")
    from connectors.objectstore.loop import run

    with patient(), pytest.raises(TimeoutError):
        run(asyncio.sleep(60), timeout_s=0.05)
