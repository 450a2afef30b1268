"""A disagreement between clauses of a manifest."""

from dataclasses import dataclass

from policies.yamldoc import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One disagreement: the place in the manifest, what is wrong, and the mend."""

    place: Place
    message: str
    mend: str
