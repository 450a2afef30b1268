"""Trying an operator's own patterns, before they are put in force, on texts that are made to be the worst for them."""

from collections.abc import Iterator

from indexer.redact import detector
from indexer.rules import RedactionRules
from indexer.sandbox import JSON
from policies.errors import QuarantineError
from policies.manifest import Pattern, Redaction, regexes
from policies.manifest.problem import Problem

CHARACTERS = 16_000
CPU_S = 1
"""What redaction may take for CHARACTERS, by the processor: 200 ms, and 50 ms for each thousand."""
TIMEOUT_S = 30.0  # chosen: by the clock, for others use the processors too
_LONGEST_WORD = 250
"""A longer run is taken out of a text before patterns see it."""


def problems(clause: Redaction) -> Iterator[Problem]:
    """The patterns that are too slow on a text made for them, each alone in a process that is stopped for it.

    Raises:
        DependencyError: the process does not start; nothing was tried.
    """
    if not clause.patterns:
        return
    with detector(cpu_s=CPU_S) as sandbox:
        for number, pattern in enumerate(clause.patterns):
            alone = RedactionRules(
                profile="none", languages=("en",), patterns=(pattern.model_copy(update={"context": ()}),)
            )
            request: dict[str, JSON] = {"texts": [worst_text(pattern)], **alone.request()}
            try:
                sandbox.call(request, b"", timeout_s=TIMEOUT_S)
            except QuarantineError:
                yield Problem(
                    place=("policy", "redaction", "patterns", number, "regex"),
                    message=f"The pattern did not come to an end within {CPU_S} s of the processor for "
                    f"{CHARACTERS // 1000} KB of text.",
                    mend="Say how often more narrowly, or name the words of its context in it.",
                )


def worst_text(pattern: Pattern) -> str:
    """CHARACTERS of what the pattern matches at its longest, and of what it nearly matches."""
    longest = regexes.longest(pattern.regex)[:_LONGEST_WORD]
    nearly = (longest, longest[:-1], f"{longest[:-1]}~", longest[: len(longest) // 2])
    line = " ".join(filter(None, nearly)) + "\n"
    return (line * (CHARACTERS // len(line) + 1))[:CHARACTERS]
