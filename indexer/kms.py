"""Key services: installed packages offer theirs as entry points, and Penstock brings none of its own.

A service holds the master key and never gives it away: it wraps one key and unwraps it when a keyring is opened. While
it is away no keyring opens, and what is open goes on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol, TypeVar

from connectors.offers import only
from indexer.master import MasterKey
from indexer.seal import KEY_BYTES, Key
from policies.errors import DependencyError, PenstockError, SettingsError

GROUP: Final = "penstock.kms"
T = TypeVar("T")


class KmsType(Protocol):
    """What an entry point of the group names: a class that makes a master key from a reference to it."""

    def from_reference(self, reference: str) -> MasterKey:
        """The master key that the service knows by this reference; it reads its own credentials.

        Raises:
            SettingsError: the reference, or a credential, is not as it must be.
            DependencyError: the service is away.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class KmsAddress:
    """The name a service is offered by, and what it knows the master key by."""

    name: str
    reference: str


def master_key(address: KmsAddress) -> MasterKey:
    """The master key at this address. Whatever the service fails with comes as an error of Penstock's.

    Raises:
        SettingsError: no installed package offers the service, or more than one does, or it refuses the reference.
        DependencyError: the service is away.
    """
    return made(choose(address.name, tuple(entry_points(group=GROUP))), address.reference)


def made(offer: EntryPoint, reference: str) -> MasterKey:
    """What an entry point offers, made and guarded. Raises as `master_key` does."""

    def make() -> MasterKey:
        found: KmsType = offer.load()
        return found.from_reference(reference)

    return _Guarded(name=offer.name, service=_called(offer.name, make))


def choose(name: str, offers: Sequence[EntryPoint]) -> EntryPoint:
    """The one offer of this name.

    Raises:
        SettingsError: there is none, or more than one: which of them opens a keyring must not depend on their order.
    """
    mend = "Install the package that offers it, or name one of these in PENSTOCK_KMS"
    return only(name, offers, what="key service", refusal=SettingsError, mend=mend)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Guarded:
    name: str
    service: MasterKey

    def wrap(self, key: Key, *, place: str) -> bytes:
        wrapped: object = _called(self.name, lambda: self.service.wrap(key, place=place))
        if not isinstance(wrapped, bytes) or not wrapped:
            raise SettingsError(f"The key service {self.name!r} wrapped a key into no bytes.", mend="Tell its author.")
        return wrapped

    def unwrap(self, wrapped: bytes, *, place: str) -> Key:
        key: object = _called(self.name, lambda: self.service.unwrap(wrapped, place=place))
        if not isinstance(key, bytes) or len(key) != KEY_BYTES:
            raise SettingsError(
                f"The key service {self.name!r} gave back no key of {KEY_BYTES} bytes.", mend="Tell its author."
            )
        return Key(key)


def _called(name: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except PenstockError:
        raise
    # `from None`: its text may hold a credential, and a logged traceback would show it.
    except Exception as error:  # noqa: BLE001 - foreign code fails as it likes, and an unknown failure must close
        raise DependencyError(
            f"The key service {name!r} cannot be used ({type(error).__name__}).",
            mend="Retry when it can be reached; check its credentials and the reference in PENSTOCK_KMS.",
        ) from None
