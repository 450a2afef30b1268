"""What redaction would hide, found in the process that redacts, with further recognisers where some are named."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from indexer.redact import Redactor, detector
from indexer.rules import RedactionRules
from indexer.upgrades import Upgrade
from policies.errors import SettingsError

Find = Callable[[str, str, str], list[tuple[int, int, str]]]
"""Start, end and entity of all that is hidden of a text, in a language, with a profile."""


@contextmanager
def finder(upgrades: Sequence[Upgrade]) -> Iterator[Find]:
    """Within the block, what finds. It has started, so that the time of the first text is a text's."""
    with detector(upgrades) as sandbox:
        sandbox.warm()
        redactor = Redactor(sandbox, upgrades)

        def find(text: str, language: str, profile: str) -> list[tuple[int, int, str]]:
            rules = RedactionRules(profile=profile, languages=(language,), other_languages="patterns")
            (spans,), _ = redactor.find([text], rules)
            return spans

        yield find


def add_upgrades(parser: ArgumentParser) -> None:
    """Let a command be given `--with`, more than once: `upgrades` of what it parses."""
    parser.add_argument(
        "--with",
        dest="upgrades",
        action="append",
        default=[],
        type=_upgrade,
        metavar="KIND=MODEL",
        help="a further recogniser, as PENSTOCK_RECOGNISERS names it: spacy=PACKAGE, spacy=FOLDER, hf=FOLDER, "
        "gliner=FOLDER",
    )


def _upgrade(text: str) -> Upgrade:
    try:
        return Upgrade.parse(text)
    except SettingsError as error:
        raise SystemExit(f"--with: {error.message} {error.mend}") from None
