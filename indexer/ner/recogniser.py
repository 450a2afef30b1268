"""What the tagger reads in a text, and what was found in one place looked for in the others."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from indexer.ner.prose import Prose
from indexer.ner.tagger import Name, Tagger
from indexer.ner.words import folded
from indexer.recognisers.person import ADDRESSED, PARTICLE

LEAST: Mapping[str, float] = MappingProxyType({"PERSON": 0.15, "LOCATION": 0.5, "ORGANIZATION": 0.5, "ADDRESS": 0.5})
"""The probability from which a word is part of a name. Chosen: to miss a name costs more than a word too many."""
_FAR = 24
"""Characters in which what belongs to a name may stand before it."""
_BETWEEN = re.compile(r"[ _'-]| [A-Z]\. ")
_BEFORE = re.compile(
    r"(?:(?<![^\W_])(?:(?!M\. )[A-Z]|[CPT]h)\.(?:[ -]?[A-Z]\.){0,3}[ -]?)?"
    r"(?:(?<![^\W_'])(?:v[ao]n|de[nr]|te[rn]|zu[rm]?|della|bin|ibn|'t)[ -]){0,3}\Z"
)
"""Initials, but not the French M. for Mr, and words that are a part of no name but the one that follows."""
_JOINED = re.compile(rf" (?:{PARTICLE}[ -]|[dl]'){{1,3}}")
_NO_NAMES = frozenset(
    {
        *("mrs", "miss", "mme", "mmes", "mlle", "mlles", "messrs", "prof", "lord", "lady", "sir", "dame", "judge"),
        *("justice", "baroness", "professor", "docteur", "maitre", "van", "von", "der", "den", "ter", "ten", "zur"),
        *("zum", "della", "dello", "degli", "del", "des", "les", "dos", "and", "others"),
    }
)
"""Words beside a name that are none."""
_SOFTWARE = frozenset(
    {
        *("android", "anaconda", "ansible", "apache", "azure", "bitbucket", "changelog", "codecov", "conda", "cuda"),
        *("cookiecutter", "cypress", "dask", "debian", "discord", "django", "docker", "dockerfile", "elasticsearch"),
        *("erlang", "fastapi", "fedora", "firefox", "flask", "github", "gitlab", "gradle", "grafana", "graphql"),
        *("gunicorn", "hadoop", "homebrew", "html", "http", "https", "istio", "java", "javascript", "jinja", "json"),
        *("jupyter", "keras", "kotlin", "kubernetes", "linux", "makefile", "mongodb", "mysql", "nginx", "numba"),
        *("numpy", "oauth", "openssl", "pandas", "perl", "postgres", "postgresql", "prometheus", "pydantic", "pypi"),
        *("pypy", "pytest", "python", "pytorch", "quickstart", "readme", "redis", "repo", "ruff", "scala", "schema"),
        *("scipy", "scrum", "snowflake", "sphinx", "sqlalchemy", "sqlite", "starlette", "swagger", "tensorflow"),
        *("terraform", "typescript", "ubuntu", "unicode", "unix", "uvicorn", "versioning", "webpack", "werkzeug"),
        *("yaml", "zenodo", "zookeeper", "toml", "xml", "sql", "api", "sdk", "cli", "url", "uri", "pip", "npm"),
    }
)
"""Words of software that are nobody's name, and that the tagger takes for names."""
_FAMILY = frozenset(
    {"Mc", "Mac", "De", "Del", "Di", "La", "Le", "Van", "Fitz", "Al", "El", "Du", "Da", "San", "Ter", "Ben"}
)
_HUMP = re.compile(r"[A-Z]+[a-z]*|[a-z]+")
_INITIAL = re.compile(r"[A-Z][a-z]?\.")
_PART = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,}(?![^\W\d_])")


def read(tagger: Tagger, text: str, entities: Iterable[str]) -> Iterator[Name]:
    """People, places, organisations and postal addresses in a text, those of these entities, less a genitive's 's.

    People with the initials and small words before their names, and in one where such words part two.
    """
    least = {entity: LEAST[entity] for entity in entities if entity in LEAST}
    last = 0, 0
    prose = Prose(tagger, text)
    for name in tagger.names(text, least=least):
        start, end = name.start, name.end - 2 * text.endswith("'s", name.start, name.end)
        if end > start and name.entity == "PERSON":
            if _is_software(tagger, text[start:end]) or prose.is_term(start, end, name.score):
                continue
            start = last[0] if _JOINED.fullmatch(text, last[1], start) else _begin(text, start)
            last = start, end
        if end > start:
            yield replace(name, start=start, end=end)


def _is_software(tagger: Tagger, name: str) -> bool:
    """Whether it is of words of software alone, or one such as MarkdownIt, of which no part is a name."""
    if all(word.lower() in _SOFTWARE for word in name.split()):
        return True
    humps = _HUMP.findall(name)
    hump = bool(re.search("[a-z][A-Z]", name)) and "".join(humps) == name and min(map(len, humps)) > 1
    return hump and humps[0] not in _FAMILY and not any(tagger.is_named(word) for word in humps)


def _begin(text: str, start: int) -> int:
    line = max(text.rfind("\n", 0, start) + 1, start - _FAR)
    before = _BEFORE.search(text, line, start)
    return before.start() if before else start


@dataclass(frozen=True, slots=True)
class Known:
    """Names of people that were found in a document, word by word."""

    tagger: Tagger
    _parts: set[str] = field(default_factory=set)

    def add(self, names: Iterable[str]) -> None:
        """Remember names, as folded text has them, each with the form of address before it if there is one."""
        for name in names:
            words = [word for word in _PART.findall(name) if folded(word) not in _NO_NAMES]
            alone = len(words) == 1 and not (ADDRESSED.match(name) or _INITIAL.match(name))
            self._parts.update(
                folded(word) for word in words if word[0].isupper() and self.tagger.is_sure(word, alone=alone)
            )

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where words of the names stand in folded text."""
        if not self._parts:
            return
        start = end = 0
        for word in _PART.finditer(text):
            if not word.group()[0].isupper() or folded(word.group()) not in self._parts:
                continue
            if start < end and _BETWEEN.fullmatch(text, end, word.start()):
                end = word.end()
                continue
            if start < end:
                yield start, end
            start, end = word.span()
        if start < end:
            yield start, end
