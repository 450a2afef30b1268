"""What installed packages offer as entry points, by name."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint

from policies.errors import RefusedError


def only(name: str, offers: Sequence[EntryPoint], *, what: str, refusal: type[RefusedError], mend: str) -> EntryPoint:
    """The one offer of this name. `what` names its kind; behind `mend` come the names that are known.

    Raises:
        RefusedError: of the class `refusal`: there is none, or more than one, and which of them is taken must not
            depend on their order.
    """
    found = [offer for offer in offers if offer.name == name]
    match found:
        case [offer]:
            return offer
        case []:
            known = ", ".join(sorted({offer.name for offer in offers})) or "none"
            raise refusal(f"No {what} is called {name!r}.", mend=f"{mend}: {known}.")
        case _:
            rivals = ", ".join(sorted(offer.value for offer in found))
            raise refusal(
                f"More than one installed package offers the {what} {name!r}: {rivals}.",
                mend="Uninstall all but one of them.",
            )
