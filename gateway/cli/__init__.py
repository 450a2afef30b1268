"""The command line, `penstock`. Whoever types a command acts as a named local operator and is audited like anyone."""

import sys
import traceback

from gateway.cli.exits import FAULT, exit_code
from gateway.cli.shell import Run, say
from gateway.settings import apply_quiet_defaults
from policies.errors import PenstockError


def main() -> None:
    """Run the command that the process was started with, and end the process with the command's exit code."""
    apply_quiet_defaults()
    from gateway.cli.commands import build

    run = Run()
    try:
        build()(obj=run)
    except PenstockError as error:
        _traceback(run)
        say(f"error: {error}")
        sys.exit(exit_code(error))
    except Exception as error:  # noqa: BLE001 - the edge: whoever typed the command gets one line, not a stack
        _traceback(run)
        advice = "" if run.debug else " For a report, get the traceback with: penstock --debug …"
        say(f"error: a fault of Penstock or of this machine, {type(error).__name__}.{advice}")
        sys.exit(FAULT)


def _traceback(run: Run) -> None:
    if run.debug:
        traceback.print_exc()
