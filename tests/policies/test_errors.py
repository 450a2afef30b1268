import pytest

from policies.errors import ManifestError, QuarantineError, RefusedError


def test_an_error_says_what_is_wrong_and_what_to_do() -> None:
    assert str(RefusedError("It is wrong.", mend="Mend it.")) == "It is wrong. Mend it."
    error = QuarantineError("It cannot be read.", reason="corrupt", stage="parse", mend="Repair it.")
    assert (str(error), error.reason, error.stage) == ("It cannot be read. Repair it.", "corrupt", "parse")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({}, "It is wrong. Mend it."),
        ({"path": "a.yaml"}, "a.yaml: It is wrong. Mend it."),
        ({"path": "a.yaml", "line": 3, "key": "policy.owner"}, "a.yaml:3: policy.owner: It is wrong. Mend it."),
    ],
)
def test_an_error_of_a_manifest_says_where(place: dict[str, str], said: str) -> None:
    assert str(ManifestError("It is wrong.", mend="Mend it.", **place)) == said  # type: ignore[arg-type]
