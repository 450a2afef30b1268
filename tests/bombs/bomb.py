"""What a bomb is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_CPU_S = 10.0
"""What a child may spend on a bomb, in seconds of processor time."""
CANARY_FILE = "/etc/passwd"
CANARY_TEXT = "root:"
"""What stands in the canary file of every Unix, and must stand in nothing that is read."""
CANARY_URL = "http://192.0.2.1/canary"  # never assigned (RFC 5737)


@dataclass(frozen=True, kw_only=True)
class Bomb:
    """A file made to hurt its reader.

    `outcome` is the only right one: the reason for which it is refused, or "read". Where there is no OCR, `no_ocr` is
    as good as that it found no text.
    """

    name: str
    file: str
    outcome: str
    make: Callable[[], bytes | str]

    @property
    def format(self) -> str:
        """What the file name promises, as in `FORMATS`."""
        suffix = PurePosixPath(self.file).suffix.lstrip(".")
        return {"htm": "html", "jsonl": "json"}.get(suffix, suffix)

    def ends_well(self, outcome: str) -> bool:
        """Whether `outcome` is the right one."""
        return outcome == self.outcome or (outcome, self.outcome) == ("no_ocr", "no_text")

    def content(self) -> bytes:
        """The file."""
        made = self.make()
        return made if isinstance(made, bytes) else made.encode()
