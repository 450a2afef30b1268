import pytest

from indexer.formats.office.ole import compound_of
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
