from contextlib import suppress
from datetime import timedelta

import pytest

from indexer import custody
from indexer.erase import purge
from indexer.keyring import Keyring
from policies.errors import ConflictError
from policies.model import DocumentId
from tests.indexer.test_erase import LATER, NAME, OLD, old_file
from tests.indexer.workbench import ACTOR, Bench, opened


def test_what_another_process_buries_meanwhile_is_no_sign_of_an_older_keyring(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.clock.now = OLD + timedelta(days=510)
    source = bench.apply()
    bench.origin.files = {NAME: old_file()}
    bench.sync(source)
    bench.clock.now = LATER
    known = Keyring.burials

    def burials(keyring: Keyring) -> frozenset[tuple[DocumentId, str]]:
        found = known(keyring)
        monkeypatch.undo()
        with suppress(ConflictError):  # where this reader holds a log that the purge wants to fold in, once it buried
            purge(bench.workshop, source, actor=ACTOR)
        return found

    with opened(bench.home.root, now=LATER, first_id=900) as starting, starting.database.reading() as session:
        monkeypatch.setattr(Keyring, "burials", burials)
        custody.require(session, starting.keyring)
