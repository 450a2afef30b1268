"""The evidence of the audit, small."""

from pathlib import Path

from tests.evidence.audit import export_flips, random_tampering, row_flips
from tests.evidence.auditing.chains import make


def test_flips_and_tampering_are_found_and_were_done(tmp_path: Path) -> None:
    chain = make(tmp_path)
    assert len(chain.export) > 7_000
    assert export_flips(chain, step=127).missed == 0
    rows = row_flips(chain, step=127)
    assert (rows.missed, rows.tried > 300) == (0, True)
    edits = list(random_tampering(chain, 400, seed=1))
    assert [row for row in edits if row.missed] == []
    assert len(edits) == 16
