"""Text of scanned pages and pictures, by Tesseract through its C API: what the OCR process serves.

The library and the data of its languages are loaded before the first picture comes; it sees pixels, never a file.
"""

import ctypes
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Final, cast

from indexer.formats.elements import quarantine, tidy
from indexer.formats.pages.render import Page, rendered
from indexer.formats.text import paragraphs
from indexer.sandbox import JSON, Handler

# ISO 639-1 to the names of Tesseract's data files. One file costs 15 MB and a tenth of a second at the start.
LANGUAGES: Final[Mapping[str, str]] = {
    "en": "eng",
    "fr": "fra",
    "de": "deu",
    "es": "spa",
    "it": "ita",
    "nl": "nld",
    "pt": "por",
    "pl": "pol",
    "cs": "ces",
    "da": "dan",
    "el": "ell",
    "fi": "fin",
    "hu": "hun",
    "ro": "ron",
    "sv": "swe",
    "no": "nor",
    "ru": "rus",
    "uk": "ukr",
    "tr": "tur",
    "he": "heb",
    "ar": "ara",
    "ja": "jpn",
    "ko": "kor",
    "zh": "chi_sim",
}
MAX_LANGUAGES = 8  # chosen: 120 MB; of more that are installed, the first of the table
# Chosen by reading paragraphs of 20 pages and pictures: below 50 stand drawings, logos and other scripts.
MIN_CONFIDENCE = 50  # per cent, of a paragraph
MIN_PAGE_CONFIDENCE = 60  # per cent; below it, a page may lie on its side

_TOGETHER = ("en", "fr")  # read at once in one and a fifth of the time of one; others in turn
_LIBRARIES = ("libtesseract.so.5", "libtesseract.so.4", "libtesseract.5.dylib")
_AUTOMATIC, _ORIENTATION_ONLY = 3, 0  # TessPageSegMode
_PARAGRAPH = 1  # TessPageIteratorLevel
_HYPHENATED = re.compile(r"(?<=[^\W\d_])-\n(?=[a-zà-ÿ])")

_HANDLE, _INT, _FLOAT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_char_p
_INTS, _FLOATS, _TEXTS = ctypes.POINTER(_INT), ctypes.POINTER(_FLOAT), ctypes.POINTER(_TEXT)
# tesseract/capi.h
_FUNCTIONS: Final[Mapping[str, tuple[object, tuple[object, ...]]]] = {
    "TessBaseAPIClear": (None, (_HANDLE,)),
    "TessBaseAPICreate": (_HANDLE, ()),
    "TessBaseAPIDelete": (None, (_HANDLE,)),
    "TessBaseAPIDetectOrientationScript": (_INT, (_HANDLE, _INTS, _FLOATS, _TEXTS, _FLOATS)),
    "TessBaseAPIGetIterator": (_HANDLE, (_HANDLE,)),
    "TessBaseAPIInit3": (_INT, (_HANDLE, _TEXT, _TEXT)),
    "TessBaseAPIMeanTextConf": (_INT, (_HANDLE,)),
    "TessBaseAPIRecognize": (_INT, (_HANDLE, _HANDLE)),
    "TessBaseAPISetImage": (None, (_HANDLE, _TEXT, _INT, _INT, _INT, _INT)),
    "TessBaseAPISetPageSegMode": (None, (_HANDLE, _INT)),
    "TessBaseAPISetSourceResolution": (None, (_HANDLE, _INT)),
    "TessDeleteText": (None, (_HANDLE,)),
    "TessResultIteratorConfidence": (_FLOAT, (_HANDLE, _INT)),
    "TessResultIteratorDelete": (None, (_HANDLE,)),
    "TessResultIteratorGetUTF8Text": (_HANDLE, (_HANDLE, _INT)),
    "TessResultIteratorNext": (_INT, (_HANDLE, _INT)),
}


def prepare() -> Handler:
    """The handler for `indexer.ocr`. Where Tesseract is missing it knows no language."""
    readers: dict[tuple[str, ...], _Reader] = {}
    orientation: _Reader | None = None
    tesseract = _load()
    if tesseract:
        for language in LANGUAGES:
            if len(readers) < MAX_LANGUAGES and (reader := _Reader.open(tesseract, (language,))):
                readers[(language,)] = reader
        if all((language,) in readers for language in _TOGETHER) and (both := _Reader.open(tesseract, _TOGETHER)):
            readers[_TOGETHER] = both
        orientation = _Reader.open(tesseract, ())

    def handle(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
        match header:
            case {"kind": str(kind), "page": int(number), "languages": list(languages)}:
                asked = tuple(language for language in LANGUAGES if language in languages and (language,) in readers)
                if not asked:
                    raise quarantine("no_ocr")
                chosen = [readers[asked]] if asked in readers else [readers[(language,)] for language in asked]
                found = _read(rendered(body, kind, number), chosen, orientation)
                elements = tidy([element for text in found for element in paragraphs(_HYPHENATED.sub("", text))])
                return {"elements": [[element.text, element.kind] for element in elements]}
            case {"ask": "languages"}:
                return {"languages": [names[0] for names in readers if len(names) == 1]}
            case _:
                raise TypeError

    return handle


def _load() -> ctypes.CDLL | None:
    # Read by OpenMP when it is loaded, with Tesseract: four threads on one core take longer than one, and threads that
    # run already would not be bound by Landlock.
    ctypes.CDLL(None).setenv(b"OMP_THREAD_LIMIT", b"1", 1)
    for name in _LIBRARIES:
        with suppress(OSError):
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _FUNCTIONS.items():
                bound = getattr(library, function)
                bound.restype, bound.argtypes = result, arguments
            return library
    return None


class _Reader:
    """Tesseract for one set of languages; for none, it tells only which way up a page is."""

    def __init__(self, tesseract: ctypes.CDLL, handle: int) -> None:
        self._tesseract, self._handle = tesseract, handle

    @classmethod
    def open(cls, tesseract: ctypes.CDLL, languages: Sequence[str]) -> "_Reader | None":
        """None where the data of one of them is not installed."""
        names = "+".join(LANGUAGES[language] for language in languages) or "osd"
        handle = tesseract.TessBaseAPICreate()
        if tesseract.TessBaseAPIInit3(handle, None, names.encode()) != 0:
            tesseract.TessBaseAPIDelete(handle)
            return None
        tesseract.TessBaseAPISetPageSegMode(handle, _AUTOMATIC if languages else _ORIENTATION_ONLY)
        return cls(tesseract, handle)

    def read(self, page: Page) -> tuple[float, list[str]]:
        """The confidence of the whole page in per cent, and its paragraphs of MIN_CONFIDENCE and more."""
        self._show(page)
        texts: list[str] = []
        confidence = 0.0
        if self._tesseract.TessBaseAPIRecognize(self._handle, None) == 0:
            texts = list(self._texts())
            confidence = float(self._tesseract.TessBaseAPIMeanTextConf(self._handle)) if texts else 0.0
        self._tesseract.TessBaseAPIClear(self._handle)
        return confidence, texts

    def degrees_clockwise(self, page: Page) -> int:
        """By how much the page was turned: 0, 90, 180 or 270; 0 where that is not to be seen."""
        self._show(page)
        degrees, certainty, script, script_certainty = _INT(), _FLOAT(), _TEXT(), _FLOAT()
        found = self._tesseract.TessBaseAPIDetectOrientationScript(
            self._handle, degrees, certainty, script, script_certainty
        )
        self._tesseract.TessBaseAPIClear(self._handle)
        return degrees.value if found else 0

    def _show(self, page: Page) -> None:
        width, height = page.picture.size
        self._tesseract.TessBaseAPISetImage(self._handle, page.picture.tobytes(), width, height, 1, width)
        self._tesseract.TessBaseAPISetSourceResolution(self._handle, page.dots_per_inch)

    def _texts(self) -> Iterator[str]:
        iterator = self._tesseract.TessBaseAPIGetIterator(self._handle)
        if not iterator:
            return
        while True:
            pointer = self._tesseract.TessResultIteratorGetUTF8Text(iterator, _PARAGRAPH)
            if pointer:
                # Not ctypes.string_at, which the sandbox refuses.
                text = cast("bytes", ctypes.cast(pointer, _TEXT).value).decode("utf-8", "replace")
                self._tesseract.TessDeleteText(pointer)
                confidence = self._tesseract.TessResultIteratorConfidence(iterator, _PARAGRAPH)
                if text.strip() and confidence >= MIN_CONFIDENCE:
                    yield text
            if not self._tesseract.TessResultIteratorNext(iterator, _PARAGRAPH):
                break
        self._tesseract.TessResultIteratorDelete(iterator)


def _read(page: Page, readers: Sequence[_Reader], orientation: _Reader | None) -> list[str]:
    """The texts of the paragraphs in the language that reads best, the right way up."""
    confidence, texts = max((reader.read(page) for reader in readers), key=itemgetter(0))
    if confidence < MIN_PAGE_CONFIDENCE and orientation and (degrees := orientation.degrees_clockwise(page)):
        upright = Page(picture=page.picture.rotate(degrees, expand=True), dots_per_inch=page.dots_per_inch)
        return max((confidence, texts), *(reader.read(upright) for reader in readers), key=itemgetter(0))[1]
    return texts
