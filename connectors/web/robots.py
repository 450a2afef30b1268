"""robots.txt as RFC 9309 has it: which parts of a site a crawler may ask for, and how often."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.web.urls import spelt

MAX_BYTES: Final = 500 * 1024
"""RFC 9309, section 2.5: at least so much must be read. What lies behind is ignored."""
MAX_DELAY_S: Final = 30.0
"""Chosen: what a site may ask for between two requests and be given."""

_PRODUCT: Final = re.compile(r"[A-Za-z_-]+")
_SECONDS: Final = re.compile(r"\d{1,6}(?:\.\d{1,6})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """An `allow` or `disallow` line. In `pattern`, `*` is anything and a `$` at the end is the end."""

    allow: bool
    pattern: str

    def matches(self, target: str) -> bool:
        """Whether the rule is about this path and query, in time proportional to both."""
        ends = self.pattern.endswith("$")
        first, *others = self.pattern.removesuffix("$").split("*")
        if not target.startswith(first):
            return False
        at = len(first)
        last = others.pop() if others and ends else ""
        for part in others:
            found = target.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if not ends:
            return True
        return at == len(target) if "*" not in self.pattern else target[at:].endswith(last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """What a site asks of one crawler. `delay_s` is between two requests, at most MAX_DELAY_S."""

    rules: tuple[Rule, ...]
    delay_s: float = 0.0

    def allow(self, target: str) -> bool:
        """Whether a path with its query may be asked for: the longest rule that matches says, else it may."""
        matching = [rule for rule in self.rules if rule.matches(target)]
        return max(matching, key=lambda rule: (len(rule.pattern), rule.allow)).allow if matching else True


def product(user_agent: str) -> str:
    """The product token by which robots.txt names a crawler, in small letters, "" where there is none."""
    found = _PRODUCT.match(user_agent)
    return found[0].lower() if found else ""


def read_robots(content: bytes, *, agent: str) -> Robots:
    """What the file asks of the crawler with this product token: the groups that name it, else those for `*`."""
    rules: dict[str, list[Rule]] = {}
    delays: dict[str, float] = {}
    agents: list[str] = []
    in_rules = False
    for key, value in _lines(content):
        match key:
            case "user-agent":
                agents = [] if in_rules else agents
                in_rules = False
                name = "*" if value == "*" else product(value)
                agents.append(name)
                rules.setdefault(name, [])
            case "allow" | "disallow":
                in_rules = True
                if value:
                    for name in agents:
                        rules[name].append(Rule(allow=key == "allow", pattern=spelt(value)))
            case "crawl-delay":
                in_rules = True
                for name in agents:
                    delays[name] = max(delays.get(name, 0.0), _seconds(value))
            case _:
                continue
    chosen = agent if agent in rules else "*"
    return Robots(rules=tuple(rules.get(chosen, [])), delay_s=delays.get(chosen, 0.0))


def _lines(content: bytes) -> Iterator[tuple[str, str]]:
    for line in re.split(r"[\r\n]+", content[:MAX_BYTES].decode("utf-8-sig", "replace")):
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _seconds(value: str) -> float:
    return min(float(value), MAX_DELAY_S) if _SECONDS.fullmatch(value) else 0.0
