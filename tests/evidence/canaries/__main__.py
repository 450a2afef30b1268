"""Invented people in every route, format and error path; then a search for each of them everywhere.

    python -m tests.evidence.canaries [--people 500] [--profile balanced] [--show]

People with names, addresses, telephones, birth dates and identifiers that nobody else has are planted in the text,
tables, titles, metadata, headers and file names of documents of every format that is read; in documents that go to
quarantine; in the arguments of commands; and in queries, addresses, headers and bodies of requests, right and wrong.
Then every log line, error body and answer and every byte of every file under the home is searched for each of them, as
written, in lower and upper case, escaped for HTML, URLs, XML and Python, in UTF-16, base64 and hexadecimal, and in
what is compressed.

A name in a document that was not recognised as one is a miss of redaction: it stands in the index and in answers, and
is counted apart, as a share of what is in the document, by format, place and kind. So is what a command shows the
operator on standard output because it was asked for, and the words of a command line that an error tells back to
whoever typed them, on the terminal they were typed on. Bound: nothing anywhere else, in a log, an error body or a file.
Findings name the route and the kind; `--show` adds the value.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import settings
from gateway.wiring import open_installation
from indexer import catalog, revisions
from indexer.content import open_description, open_text
from indexer.formats.read import prepare
from indexer.forms import Finder
from indexer.sandbox import JSON, Handler
from indexer.scan import scan
from tests.evidence.canaries import routes
from tests.evidence.canaries.files import PLACES, WRITERS, Page, broken
from tests.evidence.canaries.people import Person, invent
from tests.journeys.penstock import MANIFEST, PURPOSE, Penstock

MOST_BYTES = 200_000
BROKEN_SHARE = 10
"""One in so many documents is broken."""
LANGUAGES = ("en", "fr")
INDEXES = "sources"
"""The folder of the home that holds words as they are searched, so those too that redaction missed."""
TOLD = frozenset((routes.SHOWN, routes.ECHOED))


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """A document: its name below the folder, its format, its bytes and its people, each in the place of the same rank.

    Of a broken one nothing is to be read.
    """

    name: str
    format: str
    content: bytes
    people: tuple[Person, ...]
    is_broken: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A canary of a document that redaction left in its passages."""

    format: str
    place: str
    kind: str
    person: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A canary where it must not be."""

    where: str
    route: str
    kind: str
    value: str


def main() -> int:
    """Plant, act and search. 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--profile", choices=["balanced", "strict"], default="balanced")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    with tempfile.TemporaryDirectory(prefix="penstock-canaries-") as folder:
        penstock = Penstock(folder=Path(folder))
        planted = plant(invent(given.people, seed=given.seed))
        said = list(take_in(penstock, planted, profile=given.profile))
        reached, missed = misses(penstock, planted)
        said += ask(penstock, planted)
        found = search(penstock, planted, said, missed)
    return _report(given.people, planted, reached, missed, found, show=given.show)


def plant(people: Sequence[Person]) -> list[Planted]:
    """Documents of every format in turn, and broken ones, each with as many people as there are places for them."""
    groups = [tuple(people[at : at + len(PLACES)]) for at in range(0, len(people) - len(PLACES) + 1, len(PLACES))]
    planted: list[Planted] = []
    formats = list(WRITERS)
    for number, group in enumerate(groups):
        page = Page(group)
        if number % BROKEN_SHARE == BROKEN_SHARE - 1:
            planted += [
                Planted(name=f"{page.file_name}.{suffix}", format=suffix, content=content, people=group, is_broken=True)
                for suffix, content in broken(page, most_bytes=MOST_BYTES).items()
            ]
        else:
            suffix = (
                formats[len(planted) % len(formats)] if len(groups) < len(formats) else formats[number % len(formats)]
            )
            name = f"{page.file_name}.{suffix}"
            planted.append(
                Planted(name=name, format=suffix, content=WRITERS[suffix](page), people=group, is_broken=False)
            )
    return planted


def take_in(penstock: Penstock, planted: Sequence[Planted], *, profile: str) -> Iterator[routes.Said]:
    """Make a home that has the documents, and a link to nowhere beside them; what was said meanwhile."""
    people = planted[0].people
    for one in planted:
        path = penstock.documents / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
    (penstock.documents / f"{people[0].surname} link.txt").symlink_to(penstock.folder / f"{people[0].name}.txt")
    manifest = MANIFEST.format(source="notes", max_deletes=0.9)
    manifest = manifest.replace(
        "profile: balanced, languages: [en]", f"profile: {profile}, languages: [{', '.join(LANGUAGES)}]"
    )
    penstock.manifest.write_text(manifest, "utf-8")
    for arguments in (("init", "--region", "gb"), ("apply", penstock.manifest, "--yes"), ("sync", "notes")):
        done = penstock.run("--debug", *arguments)
        yield routes.Said(route=f"penstock {arguments[0]}", where=routes.LOG, content=(done.out + done.err).encode())


def ask(penstock: Penstock, planted: Sequence[Planted]) -> Iterator[routes.Said]:
    """Ask for everything there is to ask for; what was said to it."""
    people = list({person.number: person for one in planted for person in one.people}.values())
    roles = [text for role in ("operator", "privacy", "auditor") for text in ("--role", role)]
    made = penstock.must(
        *("key", "create", "--subject", "ann", "--group", "staff", "--purpose", PURPOSE, "--region", "gb"),
        *roles,
    )
    log = penstock.folder / "server.log"
    with routes.serving(penstock, log) as server:
        yield from routes.requests(server, made.out.strip(), people)
    yield routes.Said(route="penstock serve", where=routes.LOG, content=log.read_bytes())
    yield from routes.commands(penstock, people, [one.name for one in planted if not one.is_broken])


def misses(penstock: Penstock, planted: Sequence[Planted]) -> tuple[Counter[tuple[str, str, str]], list[Miss]]:
    """How many canaries came into a document's text, by format, place and kind; and which redaction left there."""
    texts, parser = _passages(penstock), prepare()
    reached: Counter[tuple[str, str, str]] = Counter()
    missed: list[Miss] = []
    for one in planted:
        if one.name not in texts:
            continue
        before, after = _read(parser, one), " ".join(texts[one.name].split()).casefold()
        for place, person in zip(PLACES, one.people, strict=True):
            for kind, value in person.canaries.items():
                if before is None or " ".join(value.split()).casefold() in before:
                    reached[one.format, place, kind] += 1
                    if value.casefold() in after:
                        missed.append(Miss(format=one.format, place=place, kind=kind, person=person.number))
    return reached, missed


def _passages(penstock: Penstock) -> dict[str, str]:
    """What is kept of each document, opened, by its name at the origin."""
    texts: dict[str, str] = {}
    chosen = settings.load({"PENSTOCK_HOME": str(penstock.home), "PENSTOCK_MASTER_KEY_FILE": str(penstock.key_file)})
    with open_installation(chosen) as installation, installation.database.reading() as session:
        described = revisions.descriptions(session)
        for revision, key in installation.keyring.document_keys(described).items():
            description = open_description(key, revision, described[revision])
            opened = [
                open_text(key, revision, passage.ordinal, passage.text).indexed_text
                for passage in catalog.passages(session, revision)
            ]
            if opened:  # of what was quarantined only the name is kept
                texts[description.origin_id] = "\n".join((description.title, description.uri, *opened))
    return texts


def _read(parser: Handler, one: Planted) -> str | None:
    """What a document says, with its address; None where that takes reading a picture."""
    asked: dict[str, JSON] = {"name": one.name, "languages": list(LANGUAGES)}
    match parser(asked, one.content):
        case {"title": str() | None as title, "elements": list(elements), "scanned": []}:
            texts = [str(element[0]) for element in elements if isinstance(element, list)]
            return " ".join(" ".join((title or "", one.name, *texts)).split()).casefold()
    return None


def search(
    penstock: Penstock, planted: Sequence[Planted], said: Sequence[routes.Said], missed: Sequence[Miss]
) -> list[Found]:
    """Every canary that is where it must not be, and those that were shown."""
    people = list({person.number: person for one in planted for person in one.people}.values())
    known = frozenset((miss.kind, miss.person) for miss in missed)
    owners = _owners(people)
    found = found_in(said, people, known=known)
    for file, needles in scan(penstock.home, list(owners)).found.items():
        for needle in needles:
            kind, number = owners[needle]
            if Path(file).parts[0] != INDEXES or (kind, number) not in known:
                found.append(Found(where="file", route=_place(file), kind=kind, value=needle.decode()))
    return found


def found_in(
    said: Sequence[routes.Said], people: Sequence[Person], *, known: frozenset[tuple[str, int]]
) -> list[Found]:
    """Every canary in what was said; but those in answers that are `known` to be in documents, by kind and person."""
    owners = _owners(people)
    finder = Finder(owners)
    return [
        Found(where=_where(one, needle.decode()), route=one.route, kind=owners[needle][0], value=needle.decode())
        for one in said
        for needle in finder.find(one.content)
        if one.where != routes.ANSWER or owners[needle] not in known
    ]


def _where(said: routes.Said, value: str) -> str:
    return routes.ECHOED if value.casefold() in said.typed.casefold() else said.where


def _owners(people: Sequence[Person]) -> dict[bytes, tuple[str, int]]:
    """Kind and person of every needle."""
    return {needle: (kind, person.number) for person in people for kind, needle in person.needles()}


def _place(file: str) -> str:
    """A file without what is different in every home."""
    return "/".join("*" if len(part) > 24 else part for part in Path(file).parts)


def _report(
    people: int,
    planted: Sequence[Planted],
    reached: Mapping[tuple[str, str, str], int],
    missed: Sequence[Miss],
    found: Sequence[Found],
    *,
    show: bool,
) -> int:
    leaks = [one for one in found if one.where not in TOLD]
    told = [one for one in found if one.where in TOLD]
    print(f"{people} people in {len(planted)} documents, {sum(one.is_broken for one in planted)} of them broken\n")
    print("Found where it must not be:" if leaks else "Found where it must not be: nothing")
    for one in (leaks, told):
        for (where, route, kind), number in sorted(Counter((f.where, f.route, f.kind) for f in one).items()):
            print(f"  {where:22} {route:32} {kind:8} {number:6}")
            for value in sorted({f.value for f in one if show and (f.where, f.route, f.kind) == (where, route, kind)}):
                print(f"      {value!r}")
        print("\nShown to the operator, who asked, or told back to who typed it:" if one is leaks else "")
    shares: dict[str, dict[str, tuple[int, int]]] = {}
    for axis, name in enumerate(("format", "place", "kind")):
        totals: Counter[str] = Counter()
        for group, number in reached.items():
            totals[group[axis]] += number
        left = Counter((miss.format, miss.place, miss.kind)[axis] for miss in missed)
        shares[name] = {value: (left[value], totals[value]) for value in sorted(totals)}
        print(f"Missed by redaction, by {name}:")
        for value, (number, total) in shares[name].items():
            print(f"  {value:12} {number:5} of {total:5}  {number / total:6.1%}")
    bounds = {"nothing_found": not leaks, "something_was_planted": sum(reached.values()) > 0}
    places = Counter(f"{one.where}: {one.route}: {one.kind}" for one in found)
    print(json.dumps({"people": people, "found": dict(places), "missed": shares, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
