"""What the doctor says of the sandboxes."""

import pytest

from gateway.cli.doctor import confinement
from indexer.sandbox import Sandbox


class Confined(Sandbox):
    """Confined by what it is told, and no process at all."""

    def __init__(self, *layers: str) -> None:
        super().__init__("none", stage="parse", address_space_bytes=0, start_timeout_s=0)
        self._layers = layers

    def layers(self) -> tuple[str, ...]:
        return self._layers


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (("network namespace", "Landlock 7", "seccomp"), "confined by network namespace, Landlock 7, seccomp"),
        (("seccomp",), "confined by seccomp; not in effect here: network namespace, Landlock"),
        ((), "confined by no layer of the kernel's; not in effect here: network namespace, Landlock, seccomp"),
    ],
)
def test_the_layers_that_took_effect_are_named_and_those_that_did_not(layers: tuple[str, ...], said: str) -> None:
    assert confinement(Confined(*layers)) == said
