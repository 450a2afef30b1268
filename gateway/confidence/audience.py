"""For whom a model may speak that is fitted again whenever the documents change, without anybody's decision."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from policies.manifest import Source
from policies.model import Access, Caller, Party


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """The callers in all of these groups whom none of these deny rules names: `group:staff`, `user:ann`.

    It is told by who somebody is and by the manifest, never by what there is. What they all may read, each of them sees
    whatever else comes or goes, so that a model made of that alone tells none of them of anything hidden from them. A
    caller outside of it can see less, and would notice when such a model changes.
    """

    groups: frozenset[str]
    denied: frozenset[str]

    @classmethod
    def of(cls, groups: Iterable[str], source: Source) -> Self:
        """Those in these groups, less whom a rule of the manifest denies what the others may read."""
        principals = frozenset(f"group:{group}" for group in groups)
        access = source.policy.access
        denied = set(access.deny)
        if access.documents is not None:
            for rule in access.documents.rules:
                if not principals.isdisjoint(rule.allow) and principals.isdisjoint(rule.deny):
                    denied.update(rule.deny)
        return cls(groups=principals, denied=frozenset(denied))

    def may_read(self, access: Access) -> bool:
        """Whether all of them are admitted. Rules that deny others than the manifest does are for some of them only."""
        return (
            not self.groups.isdisjoint(access.allow)
            and self.groups.isdisjoint(access.deny)
            and (access.deny <= self.denied)
        )

    def includes(self, caller: Caller) -> bool:
        """Whether the caller, and an agent that acts for the caller, is one of them; nobody is without a group."""
        parties: tuple[Party, ...] = (caller,) if caller.agent is None else (caller, caller.agent)
        return bool(self.groups) and all(
            self.groups <= party.principals() and self.denied.isdisjoint(party.principals()) for party in parties
        )

    def dump(self) -> str:
        """As JSON."""
        return json.dumps({"groups": sorted(self.groups), "denied": sorted(self.denied)})

    @classmethod
    def load(cls, content: str) -> Self:
        """What `dump` made."""
        plain = json.loads(content)
        return cls(groups=frozenset(plain["groups"]), denied=frozenset(plain["denied"]))
