"""From a manifest's connector kind to a connector: installed packages offer theirs as entry points."""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol

from connectors.base import Connector
from policies.errors import RefusedError

GROUP: Final = "penstock.connectors"


class ConnectorType(Protocol):
    """What an entry point of the group names: a class that makes a connector from a manifest's options."""

    def from_options(self, options: Mapping[str, object], *, base: Path) -> Connector:
        """The connector. `base` is the folder of the manifest, which relative paths start from.

        Raises:
            RefusedError: an option is unknown, missing or wrong.
        """


def connector(kind: str, options: Mapping[str, object], *, base: Path) -> Connector:
    """The connector of a `kind`, with a manifest's `options`. `base` is the folder of the manifest.

    Raises:
        RefusedError: no installed package offers the kind, or more than one does, or an option is wrong.
    """
    found: ConnectorType = choose(kind, tuple(entry_points(group=GROUP))).load()
    return found.from_options(options, base=base)


def choose(kind: str, offers: Sequence[EntryPoint]) -> EntryPoint:
    """The one offer of `kind`.

    Raises:
        RefusedError: there is none, or more than one: which of them reads a source must not depend on their order.
    """
    found = [offer for offer in offers if offer.name == kind]
    match found:
        case [offer]:
            return offer
        case []:
            known = ", ".join(sorted({offer.name for offer in offers})) or "none"
            raise RefusedError(
                f"No connector is called {kind!r}.",
                mend=f"Write one of these as connector.kind, or install the package that offers it: {known}.",
            )
        case _:
            rivals = ", ".join(sorted(offer.value for offer in found))
            raise RefusedError(
                f"More than one installed package offers the connector {kind!r}: {rivals}.",
                mend="Uninstall all but one of them.",
            )
