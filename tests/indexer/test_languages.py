"""The first article of the Universal Declaration of Human Rights, in languages that are covered and that are not."""

import pytest

from indexer.languages import OTHER_SCRIPT, uncovered

ARTICLES = {
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a mají "
    "spolu jednat v duchu bratrství.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt "
    "und sollen einander im Geist der Brüderlichkeit begegnen.",
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
    "and should act towards one another in a spirit of brotherhood.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
    "coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i "
    "sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
    "consciência, devem agir uns para com os outros em espírito de fraternidade.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter. De har utrustats med förnuft och samvete och "
    "bör handla gentemot varandra i en anda av gemenskap.",
}
SCRIPTS = (
    "Все люди рождаются свободными и равными в своем достоинстве",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια",
    "人人生而自由在尊严和权利上一律平等",
    "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق",
    "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা",
)
NO_PROSE = (
    "def main(arguments: list[str]) -> int:\n    for name, value in os.environ.items():\n        print(name, value)\n"
    * 4,
    "Anna Schmidt\t12.50\nJürgen Müller\t7.20\nPiotr Kowalski\t11.00\nGiulia Rossi\t10.10\n" * 5,
    "https://example.com/a/b?c=d " * 20,
    "AB-1234 / XK-998 / 55.20 / 12 mm / 7 kg / DIN 912 / M8x40 / 8.8 " * 6,
)


@pytest.mark.parametrize("language", sorted(ARTICLES))
def test_prose_in_another_language_is_seen_by_the_paragraph(language: str) -> None:
    beside = [ARTICLES["en"], ARTICLES[language], ARTICLES["fr"]]
    assert dict(uncovered(beside)) == ({} if language in {"en", "fr"} else {language: 1})


@pytest.mark.parametrize("text", SCRIPTS)
def test_another_script_is_seen_in_a_line(text: str) -> None:
    assert dict(uncovered([ARTICLES["en"], text])) == {OTHER_SCRIPT: 1}


@pytest.mark.parametrize("text", [*NO_PROSE, "", "Danke", "Crème brûlée, 3 œufs", "α and β are angles, Ω is ohms"])
def test_what_is_no_prose_has_no_language(text: str) -> None:
    assert not uncovered([text])


def test_short_texts_are_judged_together() -> None:
    words = ARTICLES["de"].split()
    assert dict(uncovered(words)) == {"de": 1}
    assert not uncovered(words[:3])


def test_a_paragraph_inside_a_long_text_is_seen() -> None:
    assert uncovered([f"{ARTICLES['en']} " * 20 + f"{ARTICLES['de']} " * 5 + f"{ARTICLES['en']} " * 20])["de"] >= 1


# Much of an ordinary letter is words that English has as well: for, at, have, her.
LETTERS = {
    "da": "Kære Henrik, tak for din mail. Jeg har talt med Karen om sagen, og hun siger at vi har brug for at få "
    "regningen inden fredag for at kunne betale den. Vil du sende den til mig på min private adresse, Nørregade 12 i "
    "Odense? Du er velkommen til at ringe til mig hvis du har spørgsmål. Med venlig hilsen, Mette Sørensen",
    "no": "Hei Kari, takk for at du tok deg tid til å snakke med meg i går. Jeg har sett på avtalen, og vi må ha den "
    "signert før mandag for at arbeidet skal komme i gang. Kan du sende meg et bilde av passet til Ola, og "
    "fødselsnummeret for at vi skal få registrert ham? Du kan ringe meg om du lurer på noe. Hilsen Per Hansen",
}


@pytest.mark.parametrize("language", sorted(LETTERS))
def test_a_letter_whose_words_are_those_of_english_too_is_seen(language: str) -> None:
    assert dict(uncovered([LETTERS[language]])) == {language: 1}


@pytest.mark.parametrize("line", ["Иван Петрович Сидоров", "Name: 王小明，住在北京市朝阳区建国路八十八号"])
def test_another_script_is_seen_in_a_line_among_longer_ones(line: str) -> None:
    assert uncovered([f"{ARTICLES['en']}\n{line}\n{ARTICLES['en']}"])[OTHER_SCRIPT] == 1
    assert uncovered(["Name", line, ARTICLES["en"]])[OTHER_SCRIPT] == 1


def test_a_name_in_its_own_script_within_a_sentence_is_no_passage_in_it() -> None:
    assert not uncovered([f"Konstantin Tsiolkovsky (Russian: Константин Эдуардович Циолковский). {ARTICLES['en']}"])
