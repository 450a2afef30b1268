import pytest

from connectors.web.robots import MAX_DELAY_S, product, read_robots
from tests.patience import patient


def allowed(robots: str, target: str, *, agent: str = "foobot") -> bool:
    return read_robots(robots.encode(), agent=agent).allow(target)


def test_the_groups_that_name_the_crawler_count_and_else_those_for_everybody() -> None:
    robots = (
        "\ufeffUser-agent: foobot\r\nDisallow: /one\r\r"
        "User-Agent: *\nDisallow: /\n"
        "uSER-aGENT : FooBot/2.1 # again\nUser-agent: barbot\nDisallow : /two # comment\nSitemap: x\nDisallow: /three\n"
        "User-agent: emptybot\n"
    )
    assert [allowed(robots, target) for target in ("/one", "/two", "/three", "/four")] == [False, False, False, True]
    assert [allowed(robots, target, agent="barbot") for target in ("/one", "/two", "/three")] == [True, False, False]
    assert not allowed(robots, "/four", agent="otherbot")
    assert allowed(robots, "/four", agent="emptybot")
    assert allowed("", "/four")
    assert allowed("Disallow: /", "/four")
    assert allowed("User-agent: *\nDisallow:\n", "/four")


@pytest.mark.parametrize(
    ("rules", "target", "is_allowed"),
    [
        (["Disallow: /a", "Allow: /a/b"], "/a/b/c", True),
        (["Allow: /a", "Disallow: /a/b"], "/a/b/c", False),
        (["Disallow: /a", "Allow: /a"], "/a", True),
        (["Disallow: /*.php$"], "/x/y.php", False),
        (["Disallow: /*.php$"], "/x/y.php?z", True),
        (["Disallow: /*.php"], "/x/y.php?z", False),
        (["Disallow: /a$"], "/a", False),
        (["Disallow: /a$"], "/ab", True),
        (["Disallow: /a*$"], "/abc", False),
        (["Disallow: /a*b*c$"], "/a1b2b3c", False),
        (["Disallow: /a*b*c$"], "/a1c2b3", True),
        (["Disallow: *"], "/a", False),
        (["Disallow: $"], "/a", True),
        (["Disallow: /é"], "/%C3%A9", False),
        (["Disallow: /%7Ea"], "/~a", False),
        (["Disallow: /a%2fb"], "/a%2Fb", False),
        (["Disallow: /a%2fb"], "/a/b", True),
        (["Disallow: /?x"], "/?x=1", False),
    ],
)
def test_the_longest_rule_that_matches_says(rules: list[str], target: str, *, is_allowed: bool) -> None:
    assert allowed("\n".join(["User-agent: *", *rules]), target) is is_allowed


def test_a_hostile_rule_takes_no_time() -> None:
    robots = "User-agent: *\nDisallow: /" + "*a" * 100_000 + "b$\n"
    with patient():
        assert allowed(robots, "/" + "a" * 2000)


@pytest.mark.parametrize(
    ("value", "delay_s"), [("2", 2), ("0.5", 0.5), ("999", MAX_DELAY_S), ("-1", 0), ("nan", 0), ("inf", 0), ("x", 0)]
)
def test_a_delay_is_taken_within_bounds(value: str, delay_s: float) -> None:
    assert read_robots(f"User-agent: *\nCrawl-delay: {value}".encode(), agent="foobot").delay_s == delay_s


def test_the_product_token_is_the_beginning_of_a_user_agent() -> None:
    assert [product(agent) for agent in ("Penstock/1.0 (x)", "foo-bot_x", "", "1bot")] == [
        "penstock",
        "foo-bot_x",
        "",
        "",
    ]
