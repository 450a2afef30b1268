"""Further recognisers of names beside the embedded one, as a setting names them: models that are on this machine."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Self, get_args

from policies.errors import DependencyError, SettingsError

MIN_CPU_S: Final = 1.0
CPU_PER_KB_S: Final = 2.0
"""What of the processor each may take beside what redaction takes, unless the setting says more or less of the second.
Chosen: one core reads 1 KB with a model of 400 million parameters in half a second, and what changed is read twice."""

Kind = Literal["spacy", "hf", "gliner"]

_LIBRARIES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {"spacy": ("spacy",), "hf": ("torch", "transformers"), "gliner": ("torch", "transformers", "gliner")}
)
_EXTRAS: Mapping[Kind, str] = MappingProxyType({"spacy": "spacy", "hf": "transformers", "gliner": "gliner"})
_DESCRIPTIONS: Mapping[Kind, str] = MappingProxyType(
    {"spacy": "meta.json", "hf": "config.json", "gliner": "gliner_config.json"}
)
"""What a model of the kind always has in its folder."""
_FORM = re.compile(r"([a-z]+)[:=]([^\s@~]+)(?:@([a-z]{2}(?:,[a-z]{2})*))?(?:~([0-9]{1,4}(?:\.[0-9]{1,3})?))?")
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MANY = "xx"
"""spaCy's word for a pipeline of no one language."""
_TORCH_ADDRESS_SPACE_BYTES = 6 * 2**30
_LOADED = 4
"""How often a model's bytes are in the address space at most: mapped, read, converted, at work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """One further recogniser. `str` of it is what `parse` takes.

    `model` is an absolute folder, or for spaCy an installed package. `given` are the languages that the setting says.
    `cpu_per_kb_s` is what of the processor it may take for a thousand characters.
    """

    kind: Kind
    model: str
    given: tuple[str, ...] = ()
    cpu_per_kb_s: float = CPU_PER_KB_S

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `KIND:MODEL[@LANGUAGE,…][~SECONDS]` says. Does not look whether it is there.

        Raises:
            SettingsError: the text is not of that form.
        """
        if not (formed := _FORM.fullmatch(text)):
            raise _formless(text, "is not of the form KIND:MODEL")
        name, model, languages, seconds = formed.groups()
        for kind in get_args(Kind):
            if kind == name:
                break
        else:
            raise _formless(text, f"is of the kind {name!r}, which is none of {', '.join(get_args(Kind))}")
        if not (Path(model).is_absolute() or (kind == "spacy" and _PACKAGE.fullmatch(model))):
            raise _formless(text, "does not say the absolute path of a folder")
        given = tuple(languages.split(",")) if languages else ()
        return cls(kind=kind, model=model, given=given, cpu_per_kb_s=float(seconds or CPU_PER_KB_S))

    def __str__(self) -> str:
        """As the setting says it."""
        return self.name + ("" if self.cpu_per_kb_s == CPU_PER_KB_S else f"~{self.cpu_per_kb_s:g}")

    @property
    def name(self) -> str:
        """Which it is and what it reads, without what it may cost."""
        return f"{self.kind}:{self.model}" + (f"@{','.join(self.given)}" if self.given else "")

    @property
    def folder(self) -> Path:
        """Where its files are.

        Raises:
            DependencyError: it is not there.
        """
        folder = Path(self.model) if self._is_folder else _package(self.model)
        if folder is None or not folder.is_dir():
            raise self._missing("The folder is not there" if self._is_folder else "The package is not installed")
        if not (folder / _DESCRIPTIONS[self.kind]).is_file():
            raise self._missing(f"The folder holds no model, which has a {_DESCRIPTIONS[self.kind]}")
        return folder

    @property
    def languages(self) -> frozenset[str]:
        """The languages that it covers, as the setting says them, else its own description.

        Raises:
            DependencyError: it is not there, or spaCy did not make it.
        """
        if self.given or self.kind != "spacy":
            return frozenset(self.given)
        return frozenset({str(self._described("lang"))} - {_MANY})

    @property
    def version(self) -> str:
        """Changes with its files, or for a package with its version, and with the libraries that run it.

        Raises:
            DependencyError: it or a library is not there.
        """
        libraries = list(map(self._library, _LIBRARIES[self.kind]))
        folder = self.folder
        try:
            files = digest(folder) if self._is_folder else metadata.version(self.model)
        except (OSError, metadata.PackageNotFoundError):
            raise self._missing("It cannot be read") from None
        return " ".join((self.name, files, *libraries))

    @property
    def loads(self) -> tuple[str, ...]:
        """The libraries that must be in the process before anything that works without them, most basic first.

        Raises:
            DependencyError: it or one of them is not there, or spaCy did not make it.
        """
        for library in _LIBRARIES[self.kind]:
            self._library(library)
        if self.kind != "spacy":
            return _LIBRARIES[self.kind]
        pipeline = self._described("pipeline")
        is_plain = isinstance(pipeline, list) and not any("transformer" in str(component) for component in pipeline)
        return () if is_plain else ("torch",)

    @property
    def address_space_bytes(self) -> int:
        """What of a process's address space it needs at most.

        Raises:
            DependencyError: it or its library is not there.
        """
        libraries_bytes = _TORCH_ADDRESS_SPACE_BYTES if self.loads else 0
        try:
            return libraries_bytes + _LOADED * sum(path.stat().st_size for path in _files(self.folder))
        except OSError:
            raise self._missing("It cannot be read") from None

    @property
    def mend(self) -> str:
        """What to do where it does not load."""
        put = f"put the model's files into {self.model!r}" if self._is_folder else f"install the package {self.model!r}"
        install = f"For {str(self)!r}: {self._install}, and {put}"
        return f"{install}; give it more memory; or take it out of PENSTOCK_RECOGNISERS."

    @property
    def _install(self) -> str:
        install = f"pip install 'penstock[{_EXTRAS[self.kind]}]'"
        if self.kind == "gliner":
            # gliner 0.2.29 wants transformers below 5.17, what is pinned for the tests is later
            install += " without constraints.txt, in an environment of its own"
        return install

    @property
    def _is_folder(self) -> bool:
        return Path(self.model).is_absolute()

    def _library(self, name: str) -> str:
        try:
            return f"{name}=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            raise self._missing(f"The library {name!r} is not installed") from None

    def _described(self, key: str) -> object:
        """What spaCy's description of a pipeline says."""
        try:
            return json.loads((self.folder / _DESCRIPTIONS["spacy"]).read_text("utf-8"))[key]
        except (OSError, ValueError, KeyError, TypeError):
            raise self._missing("It is no pipeline that spaCy saved") from None

    def _missing(self, why: str) -> DependencyError:
        return DependencyError(f"{why}: recogniser {str(self)!r}.", mend=self.mend)


def parse(text: str) -> tuple[Upgrade, ...]:
    """The recognisers that a setting names, parted by spaces.

    Raises:
        SettingsError: one is not named as it should be, or one twice.
    """
    upgrades = tuple(map(Upgrade.parse, text.split()))
    if len({(upgrade.kind, upgrade.model) for upgrade in upgrades}) != len(upgrades):
        raise SettingsError("A recogniser is named twice.", mend="Name each once, with all of its languages.")
    return upgrades


def covered(upgrades: Iterable[Upgrade]) -> frozenset[str]:
    """The languages that these cover together.

    Raises:
        DependencyError: one of them is not there.
    """
    return frozenset().union(*(upgrade.languages for upgrade in upgrades))


def allowance_s(upgrades: Sequence[Upgrade], texts: Iterable[str]) -> float:
    """What of the processor these may take together for the texts of one document, in seconds; 0 for none of them."""
    if not upgrades:
        return 0.0
    kilobytes = sum(map(len, texts)) / 1000
    return sum(MIN_CPU_S + upgrade.cpu_per_kb_s * kilobytes for upgrade in upgrades)


def _formless(text: str, why: str) -> SettingsError:
    return SettingsError(
        f"{text!r} {why}.",
        mend="Write spacy:PACKAGE, or spacy:, hf: or gliner: with the absolute path of a folder without a space, "
        "after an @ the languages that it reads, and after a ~ the seconds of processor that it may take for 1 KB "
        f"instead of {CPU_PER_KB_S:g}, such as hf:/models/pii@de,es~4.",
    )


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("[!.]*") if not _is_hidden(path, folder)]
    if any(path.is_symlink() and path.is_dir() for path in found):
        raise OSError("A folder in it is a link, which is not followed.")
    return sorted(path for path in found if path.is_file())


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


@cache
def digest(folder: Path) -> str:
    """One SHA-256 of all files in a folder with their names, but for hidden ones.

    Raises:
        OSError: one cannot be read, or a folder in it is a link.
    """
    # Once in a process: whatever happens to the files, the model that runs is the one it began with.
    found = sha256()
    for path in _files(folder):
        with path.open("rb") as file:
            found.update(f"{path.relative_to(folder)} {file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()
