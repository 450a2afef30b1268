"""Golden questions in the words that they are asked in: all are redacted before the first is looked up.

So one that cannot be is told of at once, with the others like it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from gateway.lookup import Lookup, Opened, QueryError, Question, RedactionError
from policies.errors import DependencyError, RefusedError

MOST_NAMED = 5
"""Chosen: how many questions an error names that are at fault in the same way."""
_MENDS: Mapping[str, str] = {
    "language_not_covered": "let patterns do with policy.redaction.other_languages: patterns in the manifest",
    "redaction_not_covered": "name languages in policy.redaction.languages that are read here",
}
_OTHERWISE = "put them in other words, without lists of numbers"


class UnaskableError(RefusedError):
    """Golden questions cannot be redacted."""


def kept_question(number: int) -> str:
    """What a question is called that no file is there to be pointed at."""
    return f"kept question {number + 1}"


def worded(
    lookup: Lookup,
    opened: Opened,
    queries: Sequence[str],
    *,
    named: Callable[[int], str],
    progress: Callable[[int], None],
) -> tuple[Question, ...]:
    """Each of them with its wording for this source. Raises as `observe`, which takes the same."""
    asked = tuple(Question(text=query) for query in queries)
    faults: dict[int, QueryError] = {}
    for number, question in enumerate(asked):
        try:
            lookup.word(opened, question)
        except QueryError as error:
            faults[number] = error
        except RedactionError as error:
            raise DependencyError(
                f"{named(number)}: the question could not be redacted now ({error.reason}).",
                mend="Retry later, and leave it out if it comes to the same.",
            ) from error
        progress(0)
    if faults:
        raise _unaskable(faults, len(asked), named)
    return asked


def _unaskable(faults: Mapping[int, QueryError], total: int, named: Callable[[int], str]) -> UnaskableError:
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for number, error in faults.items():
        alike[error.why].append(number)
    told = [f"{_listed(numbers, named)} ({why})" for why, numbers in alike.items()]
    mends = dict.fromkeys(_MENDS.get(error.reason, _OTHERWISE) for error in faults.values())
    return UnaskableError(
        f"{len(faults)} of {total} questions cannot be redacted: {'; '.join(told)}.",
        mend=f"Give a file without them, or {', or '.join(mends)}.",
    )


def _listed(numbers: Sequence[int], named: Callable[[int], str]) -> str:
    first = ", ".join(map(named, numbers[:MOST_NAMED]))
    return f"{first} and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else first
