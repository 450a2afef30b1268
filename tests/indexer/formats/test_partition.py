"""What unstructured makes of pages once it leaves nothing out, through the real sandbox."""

from collections.abc import Callable, Iterator

import pytest

from indexer.parse import parse, parser
from tests.patience import patient

Texts = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def texts() -> Iterator[Texts]:
    with parser() as sandbox:

        def read(body: str) -> list[str]:
            page = f"<html><body><p>before</p>{body}<p>after</p></body></html>".encode()
            parsed = parse(sandbox, data=page, name="a.html", languages=["en"])
            assert parsed.skipped_parts == 0
            found = [element.text for element in parsed.elements]
            assert (found[0], found[-1]) == ("before", "after")
            return found[1:-1]

        yield read


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<details><summary>one</summary>two<p>three</p></details>", ["one", "two", "three"]),
        ("<form action=x><h1>one</h1><p>two</p></form>", ["one", "two"]),
        ("<figure><figcaption>one</figcaption></figure>two", ["one", "two"]),
        ("<fieldset><legend>one</legend>two</fieldset>", ["one", "two"]),
        ("<dialog>one</dialog><noscript>two</noscript>", ["one", "two"]),
        ("<select><optgroup><option>one<option>two</select><textarea>three</textarea>", ["one", "two", "three"]),
        ("<p>I <label>agree</label> to <object>this</object>.</p><button>Send</button>", ["I agree to this.", "Send"]),
        ("<main><p>one</p></main><p>two</p><main><p>three</p></main>", ["one", "two", "three"]),
        ("<tr><td>one</td><td>two</td></tr>", ["one", "two"]),
        ("<table><form><tr><td>one</td><td>two</td></tr></form></table>", ["one", "two"]),
        ("<table><caption>one &amp; two</caption><tr><td>1</td><td>2</td></tr></table>", ["one & two", "1 | 2"]),
        ("<div><nav>one</div>", ["one"]),
    ],
)
def test_everything_that_a_browser_shows_is_read_in_its_order(texts: Texts, body: str, expected: list[str]) -> None:
    assert texts(body) == expected


@pytest.mark.parametrize(
    "split", ["jane.doe<!-- -->@<!-- -->example.com", "jane.doe<b>@</b>exam<wbr>ple<span>.com</span>"]
)
@pytest.mark.parametrize("around", ["<p>{}</p>", "<table><tr><td>{}</td><td>x</td></tr></table>"])
def test_a_word_stays_whole_where_tags_and_comments_stand_in_it(texts: Texts, around: str, split: str) -> None:
    assert "jane.doe@example.com" in texts(around.format(split))[0]


def test_cells_and_lines_of_a_cell_stay_apart(texts: Texts) -> None:
    assert texts("<table><tr><td>1<br>2<p>3</p>4\n&#1;5</td><td>6</td></tr></table>") == ["1 2 3 4 5 | 6"]


def test_a_hundred_thousand_tags_in_a_caption_cost_no_more_than_their_length(texts: Texts) -> None:
    with patient():
        words = texts(f"<table><caption>{'<b>x</b>y ' * 100_000}</caption><tr><td>1</td><td>2</td></tr></table>")
        assert (words[0][:5], words[1]) == ("xy xy", "1 | 2")
