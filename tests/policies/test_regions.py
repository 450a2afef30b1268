import pytest

from policies import facts, regions
from policies.errors import RefusedError


def test_the_tables_are_whole() -> None:
    known = facts.regions()
    assert len(known.countries) == 249
    assert all(len(code) == 2 and code.islower() for code in known.countries)
    assert len(known.groups["eu"].members) == 27
    assert known.groups["eea"].members - known.groups["eu"].members == {"is", "li", "no"}
    assert known.groups["eu"].members < known.groups["eea"].members <= known.countries


@pytest.mark.parametrize("region", ["gb", "no", "us", "eu", "eea"])
def test_a_country_or_group_is_accepted(region: str) -> None:
    regions.check(region)


@pytest.mark.parametrize(
    ("region", "mend"),
    [("uk", "Write 'gb'."), ("UK", "Write 'gb'."), ("GB", "Write 'gb'."), ("el", "Write 'gr'."), ("EU", "Write 'eu'.")],
)
def test_a_misspelt_region_is_refused_with_the_code_that_was_meant(region: str, mend: str) -> None:
    with pytest.raises(RefusedError) as caught:
        regions.check(region)
    assert caught.value.mend == mend


@pytest.mark.parametrize("region", ["", "xx", "england", "europe", "false"])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(RefusedError, match="alpha-2"):
        regions.check(region)


def test_groups_are_written_out() -> None:
    assert regions.expand([]) == frozenset()
    assert regions.expand(["gb", "us"]) == {"gb", "us"}
    assert regions.expand(["eu", "no"]) == facts.regions().groups["eu"].members | {"no"}


def test_a_country_is_in_the_regions_or_it_is_not() -> None:
    assert regions.contains(["eu"], "fr")
    assert regions.contains(["eea"], "no")
    assert not regions.contains(["eu"], "no")
    assert not regions.contains(["eea"], "gb")
    assert not regions.contains([], "gb")
    assert not regions.contains(["eu"], "eu")
