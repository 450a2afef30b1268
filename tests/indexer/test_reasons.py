"""Reasons come from a child that has read hostile text: only those that fit are believed."""

import pytest

from indexer.reasons import Reason, Why, assigned, identify, label, reasons_of
from indexer.recognisers import ENTITIES, RULES
from indexer.recognisers.rule import Rule, shape
from indexer.sandbox import JSON
from policies.errors import QuarantineError

TEXT = "0123456789"


def reason(start: int, end: int, score: float | None = 1.0) -> Reason:
    return Reason(start=start, end=end, entity="PERSON", name="x", why=Why.READ, score=score)


@pytest.mark.parametrize(
    "findings",
    [
        None,
        [],
        [None],
        [[[]]],
        [[[0, 1, "PERSON", 0.5]]],
        [[[0, 11, "PERSON", 0.5, "names"]]],
        [[[3, 3, "PERSON", 0.5, "names"]]],
        [[[-1, 3, "PERSON", 0.5, "names"]]],
        [[[0, 1, "PERSON", 1.5, "names"]]],
        [[[0, 1, "PERSON", float("nan"), "names"]]],
        [[[0, 1, "what the text says", 0.5, "names"]]],
        [[[0, 1, "PERSON", 0.5, "what the text says"]]],
        [[[0, 1, "PERSON", 0.5, "rule:"]]],
        [[[0, 1, "PERSON", 0.5, "rule:100000"]]],
        [[[0, 1, "PERSON", 0.5, "rule:-1"]]],
        [[[0, 1, "PERSON", 0.5, f"rule:{'9' * 5000}"]]],
    ],
)
def test_reasons_that_do_not_fit_are_refused(findings: JSON) -> None:
    with pytest.raises(QuarantineError) as caught:
        reasons_of({"findings": findings}, [TEXT])
    assert caught.value.reason == "redaction_failed"
    assert "says" not in str(caught.value)


def test_every_rule_and_entity_has_its_words() -> None:
    findings: list[JSON] = [[0, 1, rule.entity, 1.0, identify(rule)] for rule in RULES]
    (found,) = reasons_of({"findings": [findings]}, [TEXT])
    assert [one.entity for one in found] == [rule.entity for rule in RULES]
    assert all(label(entity) for entity in ENTITIES)


def test_a_rule_that_is_not_ours_is_the_source_s() -> None:
    rule = Rule(entity="STAFF_NUMBER", pattern=shape("NW-[0-9]{6}"), score=0.9)
    ((found,),) = reasons_of({"findings": [[[0, 1, rule.entity, 0.9, identify(rule)]]]}, [TEXT])
    assert (found.name, found.why) == ("STAFF_NUMBER: staff number", Why.SOURCE)


def test_the_least_score_of_a_name_is_a_bound() -> None:
    findings: JSON = [[[0, 1, "PERSON", 0.5, "names"], [2, 3, "PERSON", 0.51, "names"]]]
    ((least, more),) = reasons_of({"findings": findings}, [TEXT])
    assert (least.at_most, more.at_most) == (True, False)


def test_a_span_has_all_that_lies_in_it_the_surest_first() -> None:
    inside, over, across = reason(1, 3, 0.6), reason(0, 4, 0.9), reason(3, 7, None)
    after = reason(8, 9)
    spans = [(0, 5, "PERSON"), (5, 7, "DATE"), (7, 8, "DATE"), (8, 9, "PERSON")]
    found = assigned(spans, [after, across, inside, over, over])
    assert found == [(over, inside, across), (across,), (), (after,)]


class Counted(int):
    """A place that counts how often it is compared with another."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) < other

    def __le__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) <= other

    def __gt__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) > other

    def __ge__(self, other: int) -> bool:
        Counted.compared += 1
        return int(self) >= other


def compared(number: int) -> int:
    """How often places are compared where one reason lies in all of the spans, and one of its own in each."""
    places = [(Counted(4 * at), Counted(4 * at + 3)) for at in range(number)]
    reasons = [reason(Counted(0), Counted(4 * number)), *(reason(*place) for place in places)]
    Counted.compared = 0
    assert [len(found) for found in assigned([(*place, "PERSON") for place in places], reasons)] == [2] * number
    return Counted.compared


def test_steps_grow_with_the_number_of_reasons_and_not_with_its_square() -> None:
    assert 0 < compared(4000) < 8 * compared(800)
