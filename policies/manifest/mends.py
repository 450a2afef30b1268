"""From pydantic's account of what is wrong to file, line, key and mend."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from policies.errors import ManifestError
from policies.manifest.problem import Problem
from policies.yamldoc import Document, Place, dotted

_QUOTED = re.compile(r"'([^']*)'")
_NEEDED = {
    "model_type": "Keys with values are needed here.",
    "tuple_type": "A list is needed here.",
    "string_type": "Text is needed here.",
    "too_short": "The list is empty.",
    "string_too_short": "The value is empty.",
    "string_pattern_mismatch": "The value is not spelt as this key needs it.",
}


def explain(error: ValidationError, document: Document, model: type[BaseModel], *, path: str) -> list[ManifestError]:
    """Every problem with the line and dotted key at fault and a mend, in the order of the file."""
    every = error.errors()
    found = [
        problem for details in every if not _follows(details, every, model) for problem in _problems(details, model)
    ]
    return sorted((locate(problem, document, path) for problem in found), key=lambda each: each.line)


def _follows(details: ErrorDetails, every: list[ErrorDetails], model: type[BaseModel]) -> bool:
    """Whether the error only follows from another: a key missing because it is misspelt, a list short of bad items."""
    place = details["loc"]
    match details["type"]:
        case "missing":
            strangers = (other["loc"] for other in every if other["type"] == "extra_forbidden")
            known = _keys(_clause(model, place[:-1]))
            return any(
                stranger[:-1] == place[:-1] and get_close_matches(str(stranger[-1]), known, n=1) == [place[-1]]
                for stranger in strangers
            )
        case "too_short":
            return any(other["loc"][:-1] == place for other in every)
        case _:
            return False


def locate(problem: Problem, document: Document, path: str) -> ManifestError:
    """The problem as an error of a file, with the line of its key or of the nearest one above it."""
    place = problem.place
    while place not in document.lines:  # a missing key is at fault where it should stand
        place = place[:-1]
    return ManifestError(
        problem.message, mend=problem.mend, path=path, line=document.lines[place], key=dotted(problem.place)
    )


def _problems(details: ErrorDetails, model: type[BaseModel]) -> Iterator[Problem]:
    place, context = details["loc"], details.get("ctx", {})
    match details["type"]:
        case "problems":
            yield from context["problems"]
        case "refused":
            yield Problem(place=place, message=context["message"], mend=context["mend"])
        case "missing":
            yield Problem(place=place, message="The key is missing.", mend=f"Add it{_example(model, place)}")
        case "extra_forbidden":
            known = _keys(_clause(model, place[:-1]))
            message = f"Unknown key {_shown(place[-1])}."
            yield Problem(
                place=place, message=message, mend=_likely(str(place[-1]), known, "Remove it; the keys here are")
            )
        case "literal_error":
            known = _QUOTED.findall(context["expected"])
            message = f"{_shown(details['input'])} is not a value of this key."
            yield Problem(place=place, message=message, mend=_likely(details["input"], known, "Write one of"))
        case kind:
            message = _NEEDED.get(kind, f"{details['msg']}.")
            yield Problem(place=place, message=message, mend=f"Write it{_example(model, place)}")


def _likely(written: object, known: list[str], otherwise: str) -> str:
    close = get_close_matches(str(written), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{otherwise}: {', '.join(known)}."


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else "This"


def _example(model: type[BaseModel], place: Place) -> str:
    """The end of a sentence that shows the key as it might stand in the file."""
    keys = [step for step in place if isinstance(step, str)]
    field = _field(_clause(model, tuple(keys[:-1])), keys[-1]) if keys else None
    if field is not None and field.examples:
        text = yaml.safe_dump(
            {keys[-1]: field.examples[0]}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
        )
        return f", for example: {text.strip()[1:-1]}"
    return f" with the keys {', '.join(_keys(_clause(model, place)))}."


def _keys(clause: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in clause.model_fields.items()]


def _field(clause: type[BaseModel], key: str) -> FieldInfo:
    return next(field for name, field in clause.model_fields.items() if (field.alias or name) == key)


def _clause(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """The clause whose keys stand at the place."""
    for step in place:
        if isinstance(step, str):
            model = _model(_field(model, step).annotation)
    return model


def _model(annotation: object) -> type[BaseModel]:
    while not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        annotation = get_args(annotation)[0]
    return annotation
