"""Countries by ISO 3166-1 alpha-2 code in lower case, and the groups `eu` and `eea`."""

from collections.abc import Iterable

from policies import facts
from policies.errors import RefusedError


def check(region: str) -> None:
    """Refuse what is neither a country's code nor a group.

    Raises:
        RefusedError: unknown; the mend names the code that was probably meant.
    """
    known = facts.regions()
    codes = known.countries | known.groups.keys()
    if region in codes:
        return
    lower = region.lower()
    likely = known.misspelt.get(lower, lower)
    mend = "Write an ISO 3166-1 alpha-2 code in lower case, such as gb, or one of the groups eu and eea."
    if likely in codes:
        mend = f"Write {likely!r}."
    raise RefusedError(f"{region!r} is not a region.", mend=mend)


def expand(regions: Iterable[str]) -> frozenset[str]:
    """The countries that the regions name, groups written out."""
    groups = facts.regions().groups
    return frozenset().union(*(groups[region].members if region in groups else {region} for region in regions))


def contains(regions: Iterable[str], country: str) -> bool:
    """Whether the country is one of the regions or in one of them."""
    groups = facts.regions().groups
    return any(country in groups[region].members if region in groups else country == region for region in regions)
