import pytest

from indexer.formats.office.ole import compound_of, embedded_count
from policies.errors import QuarantineError
from tests.indexer.formats.compound import compound


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("WordDocument", "doc"),
        ("Workbook", "xls"),
        ("Book", "xls"),
        ("PowerPoint Document", "ppt"),
        ("__properties_version1.0", "msg"),
        ("VisioDocument", None),
        ("Quill/QuillSub/CONTENTS", None),
    ],
)
def test_a_compound_file_is_what_its_streams_say(stream: str, kind: str | None) -> None:
    assert compound_of(compound({"\x05SummaryInformation": b"x", stream: b"x"})) == kind


@pytest.mark.parametrize("stream", ["EncryptedPackage", "\x06DataSpaces/Version", "\tDRMContent"])
def test_an_encrypted_one_is_refused_whatever_is_inside(stream: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        compound_of(compound({"WordDocument": b"x", stream: b"x"}))
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize("length", [8, 100, 512, 600, 1024])
def test_one_cut_short_is_corrupt(length: int) -> None:
    with pytest.raises(QuarantineError) as caught:
        compound_of(compound({"WordDocument": b"x" * 9000})[:length])
    assert caught.value.reason == "corrupt"


def test_what_other_programs_made_is_counted_by_its_storage() -> None:
    word = {f"ObjectPool/_{number}/{name}": b"x" for number in (1, 2) for name in ("CONTENTS", "\x01Ole")}
    sheet = {"MBD0001A2B3/Workbook": b"x", "MBD0001A2B4/\x01Ole": b"x", "MBDX/x": b"x"}
    assert embedded_count(compound({"WordDocument": b"x", **word})) == 2
    assert embedded_count(compound({"Workbook": b"x", **sheet})) == 2
    assert embedded_count(compound({"WordDocument": b"x", "ObjectPool": b"x"})) == 0
