import os

import pytest

from indexer.formats.text import decode
from policies.errors import QuarantineError
from tests.patience import patient

TEXTS = {
    "cp932": "東京の天気は晴れです。明日は雨が降るでしょう。契約書の内容をご確認ください。",
    "euc-jp": "東京の天気は晴れです。明日は雨が降るでしょう。契約書の内容をご確認ください。",
    "cp1251": "Отчёт за первый квартал готов, и директор подписал договор с поставщиком.",
    "koi8-r": "Отчёт за первый квартал готов, и директор подписал договор с поставщиком.",
    "cp1253": "Η ετήσια έκθεση είναι έτοιμη και ο διευθυντής υπέγραψε τη σύμβαση.",
    "cp1255": "הדוח השנתי מוכן והמנהל חתם על החוזה עם הספק החדש",
    "cp1256": "التقرير السنوي جاهز وقد وقع المدير العقد مع المورد الجديد",
    "cp1250": "Výroční zpráva je hotová a ředitel podepsal smlouvu s dodavatelem.",
    "gb18030": "年度报告已经完成，主任与供应商签署了合同。公司的收入增加了百分之十。",
    "big5": "年度報告已經完成，主任與供應商簽署了合約。公司的收入增加了百分之十。",
    "cp949": "연례 보고서가 준비되었으며 이사가 공급업체와 계약을 체결했습니다.",
    "cp874": "รายงานประจำปีพร้อมแล้วและผู้อำนวยการได้ลงนามในสัญญา",
    "cp1252": "Le café a coûté 3 euros à l’arrivée, et la facture est datée du 4 août.",
}


@pytest.mark.parametrize(("encoding", "text"), TEXTS.items())
def test_a_text_is_read_in_the_encoding_it_was_written_in(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_few_foreign_names_in_a_long_ascii_file_are_read_as_such() -> None:
    text = "id;state\n" + "1;open\n" * 20_000 + "2;Иван Петров, Москва; Пётр Иванов, Казань\n"
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize("text", ["Der Übergang", "Coût : 3 €", "¿Cuándo llegará el señor Muñoz?", "naïve café"])
def test_short_western_texts_are_western(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize("data", [b"\x81\x8d" * 50, bytes(range(256)), os.urandom(2000), b"\xff" * 99])
def test_where_nothing_is_clear_nothing_is_guessed(data: bytes) -> None:
    with pytest.raises(QuarantineError) as caught:
        decode(data)
    assert caught.value.reason == "corrupt"


def test_the_length_of_a_text_does_not_matter() -> None:
    with patient():
        decode(TEXTS["cp1251"].encode("cp1251") * 100_000)
