"""Every decision beside an oracle written from the design alone, and every search beside brute force.

    python -m tests.evidence.access --decisions 10000000 --searches 100000

Sources, callers, agents, nodes, documents and clocks are drawn at random, the edges of every rule among them. The
searches go through what the gateway opens for a caller, on indexes of the real build with stand-in embeddings, with
documents that were removed, restricted or given other readers after the index was made, and with stale permissions.
Exits 0 only if nothing was let through or refused wrongly, every first reason is the right one, a fifth and more of the
decisions permit, and every search gave exactly the best visible passages with exactly their scores.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from policies.model import Reason
from tests.evidence.access import decisions, searches
from tests.evidence.access.oracle import PERMIT

DECISIONS_AT_ONCE = 100_000
SEARCHES_AT_ONCE = 2_500
LEAST_PERMITTED = 0.2
OF_THE_STATE = frozenset(
    {
        Reason.SOURCE_UNKNOWN,
        Reason.NO_GENERATION,
        Reason.INDEX_UNAVAILABLE,
        Reason.DOCUMENT_UNKNOWN,
        Reason.NOT_INDEXED,
        Reason.ERASED,
        Reason.ON_HOLD,
        Reason.NOTHING_TO_SHOW,
    }
)
"""Reasons that come from what is there, not from a decision over it."""
LEAST_OF_EACH = 0.0005


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--decisions", type=int, default=10_000_000)
    parser.add_argument("--searches", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    decided, searched = decisions.Tally(), searches.Tally()
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.processes) as pool:
        parts = _parts(arguments.decisions, DECISIONS_AT_ONCE)
        for tally in pool.map(decisions.judged, parts, _seeds(arguments.seed, parts)):
            decided.add(tally)
            _say(f"{decided.decisions} decisions", began)
        parts = _parts(arguments.searches, SEARCHES_AT_ONCE)
        for found in pool.map(searches.searched, parts, _seeds(arguments.seed + 1_000_000, parts)):
            searched.add(found)
            _say(f"{searched.searches} searches", began)
    print(file=sys.stderr)
    _show(decided, searched)
    expected = [reason for reason in Reason if reason not in OF_THE_STATE]
    bounds = {
        "no_leak": decided.leaks == 0,
        "no_wrong_denial": decided.wrong_denials == 0,
        "the_right_reasons": decided.other_reasons == 0,
        "a_fifth_permitted": decided.answers[PERMIT] >= LEAST_PERMITTED * decided.decisions,
        "every_reason_often": min(decided.answers[name] for name in expected) >= LEAST_OF_EACH * decided.decisions,
        "the_best_of_what_is_visible": searched.other_documents == 0,
        "their_scores_to_the_last_bit": searched.other_scores == 0,
        "statistics_of_what_is_visible": searched.other_statistics == 0,
        "candidates_lose_nothing": searched.beyond_candidates == 0,
        "something_was_found": 2 * searched.with_hits >= searched.searches,
    }
    plain = {
        "decisions": decided.decisions,
        "manifests": decided.manifests,
        "leaks": decided.leaks,
        "wrong_denials": decided.wrong_denials,
        "other_reasons": decided.other_reasons,
        "answers": dict(decided.answers.most_common()),
        **{name: getattr(searched, name) for name in searched.__slots__ if name != "examples"},
        "seconds": round(time.monotonic() - began),
        "seed": arguments.seed,
        "bounds": bounds,
    }
    print(json.dumps(plain))
    return 0 if all(bounds.values()) else 1


def _parts(total: int, most: int) -> Sequence[int]:
    return [min(most, total - first) for first in range(0, total, most)]


def _seeds(seed: int, parts: Sequence[int]) -> Iterator[int]:
    return (seed + number for number in range(len(parts)))


def _say(what: str, began: float) -> None:
    print(f"\r{what} in {time.monotonic() - began:.0f} s   ", end="", file=sys.stderr, flush=True)


def _show(decided: decisions.Tally, searched: searches.Tally) -> None:
    line: Callable[[str, object], None] = lambda name, value: print(f"{name:42} {value:>12}")  # noqa: E731
    line("decisions", decided.decisions)
    for reason, number in decided.answers.most_common():
        line(f"  {reason}", number)
    line("let through wrongly", decided.leaks)
    line("refused wrongly", decided.wrong_denials)
    line("refused for another reason", decided.other_reasons)
    line("searches", searched.searches)
    line("  with passages", searched.with_hits)
    line("  passages visible on average", round(searched.passages / max(searched.searches, 1)))
    line("other passages or order than brute force", searched.other_documents)
    line("other scores in the last bit", searched.other_scores)
    line("other term weights or counts", searched.other_statistics)
    line("a better one was no candidate", searched.beyond_candidates)
    for example in (*decided.examples, *searched.examples):
        print(f"  {example}")


if __name__ == "__main__":
    raise SystemExit(main())
