"""Hostile strings take no rule long, and a child that is killed in mid-document lets nothing through."""

import os
import random
import signal
import threading

import pytest

from indexer.redact import Redactor, detector
from policies.errors import QuarantineError
from tests.evidence.hostile import KEY, STRICT, VALUE, rules_alone


def test_no_rule_takes_long_over_a_hostile_string() -> None:
    assert [result.name for result in rules_alone(1000, random.Random(1)) if result.is_late] == []  # noqa: S311


def test_a_document_whose_child_is_killed_is_quarantined_and_the_next_one_is_read() -> None:
    with detector() as sandbox:
        sandbox.warm()
        child = sandbox._idle[0]._process.pid  # noqa: SLF001 - what kills it in life knows it as well
        threading.Timer(0.2, os.kill, (child, signal.SIGKILL)).start()
        text = f"She wrote to {VALUE} about the house in Leeds. " * 5000
        redactor = Redactor(sandbox)
        with pytest.raises(QuarantineError) as caught:
            redactor.redact([text], key=KEY, rules=STRICT)
        assert (caught.value.reason, caught.value.stage) == ("out_of_memory", "redact")
        assert VALUE not in str(caught.value)
        assert VALUE not in redactor.redact([text[:100]], key=KEY, rules=STRICT).texts[0]
