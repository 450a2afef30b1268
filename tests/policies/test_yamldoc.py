import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import yamldoc
from policies.errors import ManifestError


def _refusal(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        yamldoc.read(text, path="x.yaml")
    assert caught.value.path == "x.yaml"
    return caught.value


def test_scalars_stay_the_text_that_was_written() -> None:
    text = "a: no\nb: on\nc: 1_000\nd: 012\ne: 2026-01-01\nf: 'null'\ng: \"\"\nh: true\ni: 1:30\nno: x\n"
    assert yamldoc.read(text, path="x.yaml").value == {
        "a": "no",
        "b": "on",
        "c": "1_000",
        "d": "012",
        "e": "2026-01-01",
        "f": "null",
        "g": "",
        "h": "true",
        "i": "1:30",
        "no": "x",
    }


def test_every_key_and_item_has_its_line() -> None:
    document = yamldoc.read("# head\na:\n  b: 1\n  c:\n    - x\n    - {d: y}\n", path="x.yaml")
    assert document.lines == {
        (): 1,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
    }


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert yamldoc.read("<<: {a: b}", path="x.yaml").value == {"<<": {"a": "b"}}


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("", 1, "", "The file is empty."),
        ("# only a comment\n", 2, "", "The file is empty."),
        ("a: 1\nb: &x 2\n", 2, "b", "Anchors and aliases are not allowed."),
        ("a: &x [1]\nb: *x\n", 1, "a", "Anchors and aliases are not allowed."),
        ("*x\n", 1, "", "Anchors and aliases are not allowed."),
        ("&x a: 1\n", 1, "", "Anchors and aliases are not allowed."),
        ("a:\n  - !!python/object/apply:os.system [ls]\n", 2, "a[0]", "Tags are not allowed."),
        ("a: ! b\n", 1, "a", "Tags are not allowed."),
        ("!x a: 1\n", 1, "", "Tags are not allowed."),
        ("%YAML 1.1\n---\na: 1\n", 1, "", "A YAML directive is not allowed."),
        ("%TAG ! tag:x,2026:\n---\na: 1\n", 1, "", "A YAML directive is not allowed."),
        ("a: 1\n---\nb: 2\n", 2, "", "The file holds a second document."),
        ("a: 1\nb: 2\na: 3\n", 3, "a", "The key stands here and in line 1."),
        ("x: {a: 1,\n a: 2}\n", 2, "x.a", "The key stands here and in line 1."),
        ("? [a, b]\n: c\n", 1, "", "A key is not plain text."),
        ("a: 1\nb:\nc: 2\n", 2, "b", "The value is empty."),
        ("a: null\n", 1, "a", "The value is empty."),
        ("a: [1, ~]\n", 1, "a[1]", "The value is empty."),
        ("a: b\nc: \x00", 2, "", "The file holds a character that YAML does not allow."),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, line: int, key: str, message: str) -> None:
    refusal = _refusal(text)
    assert (refusal.line, refusal.key, refusal.message) == (line, key, message)
    assert refusal.mend


def test_broken_syntax_is_refused_with_its_line() -> None:
    refusal = _refusal("a: 1\nb: [1, 2\nc: 3\n")
    assert refusal.line == 3
    assert refusal.message.startswith("This is not YAML: ")


def test_a_document_of_64_kib_is_read_and_one_byte_more_is_not() -> None:
    fits = "a: " + "é" * ((yamldoc.MAX_BYTES - 3) // 2) + "b"
    assert len(fits.encode()) == yamldoc.MAX_BYTES
    assert yamldoc.read(fits, path="x.yaml").value == {"a": fits[3:]}
    assert _refusal(fits + "b").message == "The file is larger than 64 KiB."


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_before_it_costs_anything(opening: str) -> None:
    assert _refusal(opening * 10_000).message == "The values are nested too deeply."


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        yamldoc.read(text, path="x.yaml")
    except ManifestError as refusal:
        assert refusal.mend  # noqa: PT017


@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#%\n ,?", max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    try:
        yamldoc.read(text, path="x.yaml")
    except ManifestError as refusal:
        assert refusal.mend  # noqa: PT017
