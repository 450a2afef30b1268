"""What `python-pptx` does not see in a slide, and what unstructured leaves out of it, put where they do."""

import zipfile
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.office.parts import COMPATIBILITY, MATH, formula, main_part, relations, serialised

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_A14 = "{http://schemas.microsoft.com/office/drawing/2010/main}"
_WRAPPERS = frozenset({f"{COMPATIBILITY}AlternateContent", f"{COMPATIBILITY}Choice", f"{_A14}m", f"{MATH}oMathPara"})
_FALLBACK = f"{COMPATIBILITY}Fallback"
_FORMULA = f"{MATH}oMath"
_PLACE = f"{_A}off"


def whole_slides(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The slides of a .pptx that hold formulas, shapes with an alternative or shapes beside the slide, by their names.

    Such shapes stand on the slide, and of alternatives the first does.
    """
    main = main_part(archive)
    changed = {}
    for name in {found.part for found in relations(archive, main) if found.kind == "slide"} if main else ():
        slide = ET.fromstring(archive.read(name))  # noqa: S314 - declarations were refused before
        if _hides(slide):
            _unwrap(slide)
            _bring_in(slide)
            changed[name] = serialised(slide)
    return changed


def _hides(slide: Node) -> bool:
    return any(
        node.tag in _WRAPPERS or node.tag == _FORMULA or (node.tag == _PLACE and _is_outside(node))
        for node in slide.iter()
    )


def _is_outside(place: Node) -> bool:
    return any(place.get(axis, "").startswith("-") for axis in "xy")


def _unwrap(node: Node) -> None:
    children: list[Node] = []
    for child in node:
        if child.tag == _FORMULA:
            run = ET.Element(f"{_A}r")
            ET.SubElement(run, f"{_A}t").text = formula(child)
            children.append(run)
        elif child.tag != _FALLBACK:
            _unwrap(child)
            children += list(child) if child.tag in _WRAPPERS else [child]
    node[:] = children


def _bring_in(slide: Node) -> None:
    # Where it begins left of a slide or above it, unstructured leaves a shape out.
    for place in slide.iter(_PLACE):
        if _is_outside(place):
            place.set("x", "0")
            place.set("y", "0")
