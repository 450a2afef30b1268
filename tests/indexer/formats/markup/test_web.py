import pytest

from indexer.formats.markup.web import clean
from tests.patience import patient

DATA = "<table><tr><th>Day</th><th>Hours</th></tr><tr><td>Monday</td><td>9-5</td></tr></table>"


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("a<nav>x<NAV class='y'>y</nav></nav>b", "ab"),
        ("a<nav>never closed", "a<nav>never closed"),
        ("a</nav>b", "a</nav>b"),
        ("a<nav-bar>x</nav-bar>b", "a<nav-bar>x</nav-bar>b"),
        ("a<script>document.write('<table>')</script><!-- <nav> -->b", "ab"),
        ("jane.doe<!-- -->@<script>x</script >example<STYLE>y</STYLE foo>.com", "jane.doe@example.com"),
        ("a<!-->b<!--->c<!-- x --!>d<!--[if !mso]><!-->e<!--<![endif]-->f", "abcdef"),
        ("<main hidden>a</main><MAIN>b</MAIN><noscript>c</noscript>", "<div>a</div><div>b</div><div>c</div>"),
        (DATA, DATA),
        ("<table><tr><td>one</td></tr></table>", "<div><div><div>one</div></div></div>"),
        (f"<table><tr><td>{DATA}</td></tr></table>", f"<div><div><div>{DATA}</div></div></div>"),
        ("<table><tr><td>never closed", "<div><div><div>never closed"),
        ("</td></table>stray", "</td></table>stray"),
        (
            "<table><form><tr><td>a</td><td>b</td></tr></form></table>",
            "<div><form><div><div>a</div><div>b</div></div></form></div>",
        ),
        (
            "<table><tr><td><form>a</form></td><td>b</td></tr></table>",
            "<table><tr><td><form>a</form></td><td>b</td></tr></table>",
        ),
    ],
)
def test_menus_scripts_and_layout_tables_go_and_data_stays(html: str, cleaned: str) -> None:
    assert clean(html) == cleaned


def test_a_table_with_a_cell_of_a_whole_article_is_layout() -> None:
    assert "<td>" not in clean(f"<table><tr><td>menu</td><td>{'<p>words</p>' * 400}</td></tr></table>")


def test_many_open_tags_cost_no_more_than_their_length() -> None:
    with patient():
        clean("<table><tr><td>" * 100_000 + "<nav>" * 100_000)
