"""Twin homes, one of which also holds what the caller may not see: every answer over HTTP must be the same bytes.

    python -m tests.evidence.interference --queries 2000

What only one of them holds: documents of other classes, expired, restricted, quarantined, deleted and erased ones, and
whole sources for others. It comes and goes while the questions are asked, and now and then redaction is away. Golden
questions that somebody asks who sees more than these callers are asked again each time. With --reader a stand-in reads
the first passages, too. Names, keys, clock and request ids are the same in both, so that status, headers and body are
compared byte by byte. Exits 0 only if all are equal.
"""

import argparse
import json
import logging
from collections.abc import Sequence

from gateway.reader import Reader
from tests.evidence.interference.comparing import compared


def main() -> int:
    """Run the evidence. 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="store_true")
    arguments = parser.parse_args()
    # Redaction is broken on purpose now and then, which the application logs.
    logging.disable()
    reader = Reader("words@1", lambda: _shared, mend="") if arguments.reader else None
    tally = compared(arguments.queries, arguments.seed, reader=reader)
    print(f"{'requests to each twin':32} {tally.requests:8}")
    print(f"{'  answered with passages':32} {tally.with_passages:8}")
    print(f"{'  by a model asked again unseen':32} {tally.calibrated:8}")
    print(f"{'replays unseen in one twin':32} {tally.replayed:8}")
    for status, number in sorted(tally.statuses.items()):
        print(f"{'  ' + status:32} {number:8}")
    print(f"{'answers that differ':32} {tally.different.total():8}")
    for what, number in tally.different.most_common():
        print(f"  {number:8} {what}")
    for example in tally.examples:
        print(f"  {example}")
    bounds = {
        "every_answer_the_same_bytes": not tally.different,
        "passages_in_a_third": 3 * tally.with_passages >= tally.requests,
        "questions_were_asked_again_unseen": bool(tally.replayed and tally.calibrated),
        "so_many_were_asked": tally.requests >= arguments.queries,
    }
    plain = {
        "requests": tally.requests,
        "with_passages": tally.with_passages,
        "calibrated": tally.calibrated,
        "replayed": tally.replayed,
        "statuses": dict(tally.statuses),
        "different": dict(tally.different),
        "seed": arguments.seed,
        "reader": arguments.reader,
        "bounds": bounds,
    }
    print(json.dumps(plain))
    return 0 if all(bounds.values()) else 1


def _shared(question: str, passages: Sequence[str]) -> list[float]:
    """The share of a question's words that each passage holds."""
    words = set(question.lower().split())
    return [len(words & set(passage.lower().split())) / max(1, len(words)) for passage in passages]


if __name__ == "__main__":
    raise SystemExit(main())
