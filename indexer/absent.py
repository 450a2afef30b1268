"""Importing a library as if others, which it would import if it could, were not installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*packages: str) -> Iterator[None]:
    """Within the block, an import of these packages fails, unless they are loaded already."""
    missing = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None: not to be found (importlib)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
