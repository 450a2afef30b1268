"""A job while a process works on it."""

from collections.abc import Callable
from typing import Protocol


class StoppedError(Exception):
    """The job was paused or ended while a step of it ran. What the step stored stays."""


class Run(Protocol):
    """The work of a job. Each method can be repeated: what was done is not done again."""

    def prepare(self) -> int:
        """Find out what there is to do: the number of units, each of which `do` is called with, from 0."""

    def do(self, unit: int) -> str:
        """Do one unit. What became of it, as a code."""

    def finish(self) -> None:
        """Do what comes last, and write down how the job ended."""


class Act:
    """A run of one act, without units."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def prepare(self) -> int:
        """Nothing: there are no units."""
        return 0

    def do(self, unit: int) -> str:
        """Never called."""
        raise AssertionError(unit)

    def finish(self) -> None:
        """The act."""
        self._act()
