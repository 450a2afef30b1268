"""From a manifest's connector kind to a connector: installed packages offer theirs as entry points."""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol

from connectors.base import Connector
from connectors.guard import guarded
from connectors.offers import only
from connectors.secrets import Secrets
from policies.errors import PenstockError, RefusedError

GROUP: Final = "penstock.connectors"


class ConnectorType(Protocol):
    """What an entry point of the group names: a class that makes a connector from a manifest's options."""

    def from_options(self, options: Mapping[str, object], *, secrets: Secrets) -> Connector:
        """The connector. `secrets` reads credentials; relative paths start from its `base`, the manifest's folder.

        Raises:
            RefusedError: an option is unknown, missing or wrong.
        """


def connector(kind: str, options: Mapping[str, object], *, secrets: Secrets) -> Connector:
    """The connector of a `kind`, guarded, with a manifest's `options`, whose credentials `secrets` reads.

    Raises:
        RefusedError: no installed package offers the kind, or more than one does, it cannot be loaded, or an option
            is wrong.
    """
    return made(choose(kind, tuple(entry_points(group=GROUP))), options, secrets=secrets)


def made(offer: EntryPoint, options: Mapping[str, object], *, secrets: Secrets) -> Connector:
    """What an entry point offers, made and guarded.

    Raises:
        RefusedError: it cannot be loaded, or an option is wrong.
    """
    try:
        found: ConnectorType = offer.load()
        return guarded(found.from_options(options, secrets=secrets))
    except PenstockError:
        raise
    # `from None`: its text may hold an option or a secret, and a logged traceback would show it.
    except Exception as error:  # noqa: BLE001 - foreign code fails as it likes, and must not end `penstock check`
        raise RefusedError(
            f"The connector {offer.name!r} ({offer.value}) cannot be made: {type(error).__name__}.",
            mend="Install it anew or mend its options; if it stays, tell its author.",
        ) from None


def choose(kind: str, offers: Sequence[EntryPoint]) -> EntryPoint:
    """The one offer of `kind`.

    Raises:
        RefusedError: there is none, or more than one: which of them reads a source must not depend on their order.
    """
    mend = "Write one of these as connector.kind, or install the package that offers it"
    return only(kind, offers, what="connector", refusal=RefusedError, mend=mend)
