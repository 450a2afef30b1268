from importlib.metadata import EntryPoint

import pytest

from indexer.kms import GROUP, KmsAddress, choose, made, master_key
from indexer.master import LocalMasterKey, MasterKey
from indexer.seal import Key
from policies.errors import DependencyError, RefusedError, SettingsError

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
_GIVEN = {"none": None, "text": "k" * 32, "empty": b""}


class Vault:
    """A key service whose references are `name of the fault at use`."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._master = LocalMasterKey(KEY)

    @classmethod
    def from_reference(cls, reference: str) -> MasterKey:
        if reference == "refused":
            raise SettingsError("No such key.", mend="Name another.")
        if reference == "broken":
            raise ConnectionError("token s3cret")
        return cls(reference)

    def wrap(self, key: Key, *, place: str) -> bytes:
        if self._reference == "away":
            raise ConnectionError("token s3cret")
        if self._reference in _GIVEN:
            return _GIVEN[self._reference]  # type: ignore[return-value]  # foreign code gives what it likes
        return self._master.wrap(key, place=place)

    def unwrap(self, wrapped: bytes, *, place: str) -> Key:
        if self._reference == "away":
            raise ConnectionError("token s3cret")
        if self._reference in _GIVEN:
            return _GIVEN[self._reference]  # type: ignore[return-value]  # foreign code gives what it likes
        key = self._master.unwrap(wrapped, place=place)
        return Key(key[:16]) if self._reference == "short" else key


def offer(name: str = "vault", value: str = "tests.indexer.test_kms:Vault") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_a_service_wraps_a_key_for_one_place() -> None:
    service = made(offer(), "fine")
    wrapped = service.wrap(OTHER, place="p")
    assert bytes(OTHER) not in wrapped
    assert service.unwrap(wrapped, place="p") == OTHER
    with pytest.raises(SettingsError, match="not the one"):
        service.unwrap(wrapped, place="q")


@pytest.mark.parametrize("act", ["wrap", "unwrap"])
def test_a_service_that_fails_is_away_and_its_words_are_not_repeated(act: str) -> None:
    service = made(offer(), "away")
    with pytest.raises(DependencyError, match=r"'vault' cannot be used \(ConnectionError\)") as caught:
        service.wrap(OTHER, place="p") if act == "wrap" else service.unwrap(b"", place="p")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_service_that_cannot_be_made_is_told() -> None:
    with pytest.raises(SettingsError, match="No such key"):
        made(offer(), "refused")
    with pytest.raises(DependencyError, match="ConnectionError"):
        made(offer(), "broken")
    with pytest.raises(DependencyError, match="ModuleNotFoundError"):
        made(offer(value="tests.indexer.nowhere:Vault"), "x")


def test_a_service_that_gives_back_something_else_than_a_key_is_refused() -> None:
    service = made(offer(), "short")
    with pytest.raises(SettingsError, match="no key of 32 bytes"):
        service.unwrap(service.wrap(OTHER, place="p"), place="p")


@pytest.mark.parametrize("given", sorted(_GIVEN))
def test_a_service_that_gives_something_else_than_bytes_is_refused(given: str) -> None:
    service = made(offer(), given)
    with pytest.raises(SettingsError, match="wrapped a key into no bytes"):
        service.wrap(OTHER, place="p")
    with pytest.raises(SettingsError, match="no key of 32 bytes"):
        service.unwrap(b"x", place="p")


def test_there_must_be_exactly_one_offer_of_a_name() -> None:
    offers = (offer(), offer("hsm", "a:A"), offer("hsm", "b:B"))
    assert choose("vault", offers) is offers[0]
    with pytest.raises(RefusedError, match=r"More than one .* a:A, b:B"):
        choose("hsm", offers)
    with pytest.raises(RefusedError, match="No key service is called 'cloud'") as caught:
        choose("cloud", offers)
    assert "hsm, vault" in caught.value.mend
    with pytest.raises(RefusedError, match="No key service is called"):
        master_key(KmsAddress(name="nobody-offers-this", reference="x"))
