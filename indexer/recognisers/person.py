"""People whom a form of address, an office, a label or a lawsuit announces. Others are for `indexer.ner`, which reads.

Letters that folding leaves beside the plain ones, such as ø and ł, are letters of a name too.
"""

import re

from indexer.recognisers.fold import fold, folder
from indexer.recognisers.rule import COMMON, IN_CONTEXT, LEFT, RIGHT, Rule

_CAPITAL = "[A-ZÆØŒŁĐÐÞĦƏ]"
_LETTER = "[A-Za-zÆØŒŁĐÐÞĦƏæøœłđðþßħəŋ]"
_END = rf"(?!{_LETTER})"
PARTICLE = (
    r"(?:[Dd](?:e(?:lla|llo|gli|[nrlsi])?|[aiu]|os|as)|[Vv][ao]n|[Tt]e[rn]|[Zz]u[rm]?|[Ll][aeo]s?|[EeAa]l|[Bb][ei]n"
    r"|[Ii]bn|[Bb]int|[Aa]bu|[Aa]f|[Aa]v|'[ts]|[Ss]t\.?)"
)
"""A word that stands before a family name, and is small in many."""
_WORD = rf"(?:[DLOdlo]'(?={_CAPITAL}))?{_CAPITAL}(?:{_LETTER}|['-](?={_LETTER}))*{_LETTER}"
_INITIALS = r"(?:[A-Z](?:h|[a-z])?\.[ -]?){0,4}"
_NAME = rf"{_INITIALS}(?:{PARTICLE}[ -]){{0,3}}{_WORD}"
_FULL_NAME = rf"{_NAME}(?: {_NAME}){{0,2}}{_END}"
_AND = "(?:, (?:and )?| and | et | ou | or )"

_TITLE = (
    r"(?:M(?:r|rs|s|me|lle|essrs)\.?|Miss|MM\.|Mmes|Mlles|Dr\.?|Prof\.?|Professor|Professeur|Docteur|Monsieur|Madame"
    r"|Mademoiselle|Maitre)"
)
ADDRESSED = re.compile(
    rf"{LEFT}(?:{_TITLE}|Lord|Lady|Sir|Dame|Justice|Judge|Baroness|Messrs\.?|Me|M\.|MR\.?|MRS\.?|MME|MLLE|DR\.?) "
)
"""A form of address, with the space before the name."""
_OFFICES = (
    *("Lord Justice", "Lady Justice", "Mr Justice", "Mrs Justice", "Ms Justice", "Judge", "Sir", "Dame", "Baroness"),
    *("Cllr", "Councillor", "Rev", "Rev.", "Reverend", "Sgt", "Sgt.", "Sergeant", "Lieutenant", "Lt", "Lt.", "Colonel"),
    *("Col.", "Captain", "Capt.", "Constable", "Detective", "Chief Inspector", "Detective Inspector", "Inspector"),
)
_ROLES = (
    *("officer", "judge", "prosecutor", "investigator", "constable", "sergeant", "inspector", "lieutenant", "colonel"),
    *("captain", "commander", "gendarme", "witness", "lawyer", "solicitor", "barrister", "notary", "applicant"),
    *("claimant", "defendant", "complainant", "plaintiff", "suspect", "nurse", "certain", "sieur", "dame", "veuve"),
    *("epouse", "epoux", "consorts", "docteur", "professeur", "enqueteur", "inspecteur", "juge", "procureur", "agent"),
    *("temoin", "brigadier", "adjudant", "adjudant-chef", "commissaire", "capitaine", "huissier", "notaire", "avocat"),
    *("avocate", "expert", "interne", "sage-femme", "infirmier", "infirmiere", "policier", "maitre", "certaine", "feu"),
    *("nee", "ne(e)", "prenomme", "prenommee", "ep."),
)
_ENDS = "|".join(sorted({re.escape(word[-2:]) for word in (*_OFFICES, *_ROLES)}))
_ANNOUNCED = "|".join(rf"(?<=(?<![A-Za-z]){re.escape(word)})" for word in (*_OFFICES, *_ROLES))
_PARTIES = "|".join(
    rf"(?<=(?<![A-Za-z]){word})"
    for word in (
        *("applicant", "plaintiff", "defendant", "claimant", "respondent", "appellant", "petitioner", "complainant"),
        *(
            "deceased",
            "accused",
            "victim",
            "wife",
            "husband",
            "son",
            "daughter",
            "brother",
            "sister",
            "father",
            "mother",
        ),
        *(
            "widow",
            "widower",
            "partner",
            "cousin",
            "nephew",
            "niece",
            "uncle",
            "aunt",
            "neighbour",
            "guardian",
            "witness",
        ),
        *("requerant", "requerante", "epouse", "mari", "fils", "fille", "frere", "soeur", "pere", "mere", "veuve"),
        *("compagne", "compagnon", "gendre", "voisin", "voisine", "victime", "demandeur", "demanderesse", "patient"),
    )
)
_NO_NAME = (
    r"(?!(?:The|A|An|And|Or|In|Of|For|To|On|At|By|Under|No|If|Is|Le|La|Les|Un|Une|Des|Du|Et|Chancellor|Mayor|Advocate"
    r"|President|Registrar|Court|Cour|Department|General|Governments?|Gouvernement|Compan(?:y|ies)|States?|Associations?"
    r"|Party|Parties|Union|Bank|Council|Conseil|Church|Republic|Republique|Ltd|Limited|Trust|Justice|Agreement"
    r"|Statements?|Act|Rules?|Section|Article|Europeenn?e?|European|National|International|Director|Manager|Support"
    r"|Service|Services|Settings|Protection|Training|Portal|Group|Number|Name|Address|Type|Id|ID|Mr|Mrs|Ms|Mme|Dr)"
    rf"{_END})"
)
_BODY = (
    r"(?!(?:[A-Z][A-Za-z'-]* ){0,3}(?:Council|Bank|Ltd|Limited|plc|PLC|Inc|Corp|Corporation|Co|Company|LLP|LLC|SA|SAS"
    r"|SARL|State|Commission|Board|Commissioner|Crown|City|County|Department|Government|University|Authority|Minister"
    r"|Ministry|Attorney|Director|Union|Trust|Hospital|School|Society|Association|Kingdom|Republic|Federation|States"
    r"|COUNCIL|BANK|LTD|LIMITED|COMPANY|STATE|COMMISSION|BOARD|CITY|COUNTY|REPUBLIC|KINGDOM|FEDERATION|STATES)"
    rf"{_END})"
)
_COUNTRIES = (
    r"(?!(?i:affaire|case|in|see|cf|re|dans|voir|arret|and|et|of|the|albania|andorra|armenia|austria|azerbaijan|belgium|bosnia|bulgaria|croatia|cyprus|czech|denmark|estonia"
    r"|finland|france|georgia|germany|greece|hungary|iceland|ireland|italy|latvia|liechtenstein|lithuania|luxembourg"
    r"|malta|moldova|monaco|montenegro|netherlands|norway|poland|portugal|romania|russia|san marino|serbia|slovakia"
    r"|slovenia|spain|sweden|switzerland|turkey|turkiye|ukraine|united|state|people|regina|crown|secretary|minister"
    r"|commissioner|director|attorney|allemagne|autriche|belgique|bulgarie|croatie|chypre|danemark|espagne|estonie"
    r"|finlande|georgie|grece|hongrie|irlande|islande|italie|lettonie|lituanie|malte|norvege|pologne|roumanie|russie"
    rf"|slovaquie|slovenie|suede|suisse|turquie|royaume|pays|republique){_END})"
)
_LABEL = (
    r"(?:[Ss]urname|SURNAME|[Ff]amily name|[Ll]ast name|[Ff]irst name|[Gg]iven names?|[Mm]aiden name|[Pp]atiente?"
    r"|PATIENTE?|[Pp]atient name|[Nn]ext of kin|[Nn]om (?:de naissance|de famille|d'usage|de jeune fille|du patient)"
    r"|NOM(?: DE NAISSANCE| D'USAGE)?|[Pp]renoms?|PRENOMS?|[Nn]om et prenom|[Nn]om|[Mm]edecin traitant"
    r"|[Pp]ersonne de confiance|[Dd]estinataire|[Tt]emoin|[Cc]onducteur|[Aa]ssuree?|[Ss]alariee?"
    r"|[Rr]edige par|[Vv]alide par|[Rr]eported by|[Pp]repared by|[Ee]mployee|[Ww]itness|[Cc]laimant)"
)
_LABELLED = rf"(?:{PARTICLE}[ -]|L[EA] |DE |VAN |EL )?{_NAME}(?: (?:{PARTICLE}[ -])?{_NAME}){{0,3}}{_END}"
_COURT = (
    r"(?:President|Vice-President|Presiding|judges?|Judges?|Registrar|Section Registrar|Deputy Registrar|Rapporteur"
    r"|presidente?|juges?|greffiere?|conseillere?|avocate? general|rapporteure?)"
)
# Two or three letters with a point each that are no person: "the U.S.", "42 U.S.C.", "at 4 p.m.", "Bristol Q.C."
_SHORT = frozenset(
    {
        *("US", "USA", "USC", "USSR", "UK", "UN", "EU", "EC", "EEC", "DC", "NY", "LA", "PS", "PM", "AM"),
        *("PO", "BC", "AD", "NB", "RG", "SA", "SPA", "NV", "BV", "CE", "QC", "KC", "JD", "MD", "BA"),
        *("MA", "BS", "BSC", "MS", "MSC", "PHD", "FR", "RC", "CP", "CC", "AC", "QB", "QBD", "WL", "WLR"),
        *("LR", "EHRR", "ID", "IT", "TV", "IR", "CJ", "LJ", "JJ", "VA", "HM", "OK", "RIP", "VI", "PJ"),
        *("EG", "IE", "UE", "ON", "ONU", "PV", "CV", "CEO", "CFR", "HIV", "DNA"),
    }
)
# Folding has made Latin letters of those that look alike, so that some stand among the others.
_CASED = (
    r"(?=[A-Za-z'-]{0,20}[\u0370-\u058f\u10a0-\u10ff])"
    r"[A-Z\u0370-\u042f\u0460-\u0556\u10a0-\u10ff][A-Za-z'\u0370-\u058f\u10a0-\u10ff-]{2,30}"
)
_UNSPACED = r"[\u1100-\u11ff\u3041-\u30ff\u3105-\u318e\u3400-\u9fff\ua960-\ud7fb]"
_OWN_NAMES = (
    "русский українська български српски ελληνικά "
    "日本語 中文 简体中文 简体 繁體中文 正體中文 한국어 हिन्दी हिंदी मराठी বাংলা "
    "العربية فارسی اردو עברית ไทย தமிழ் తెలుగు ಕನ್ನಡ "
)
_LANGUAGES = "|".join(fold(name, folder(())).text for name in (_OWN_NAMES + _OWN_NAMES.title()).split())
"""What languages are called in themselves, as in a list of translations."""
_UNCASED = r"[\u0590-\u109f\u1200-\u1dff]"

RULES = (
    Rule(  # in a script that the tagger does not read; what is more than names is not let in
        entity="PERSON",
        pattern=re.compile(
            rf"(?i:(?!(?:{_LANGUAGES})(?![^\W_])))"
            rf"(?:(?<![A-Za-z\u0370-\u058f])({_CASED}(?: {_CASED}){{0,2}})(?![A-Za-z\u0370-\u058f])"
            rf"|(?<!{_UNSPACED})({_UNSPACED}{{2,12}})(?!{_UNSPACED})"
            rf"|(?<!{_UNCASED})({_UNCASED}{{2,15}}(?: {_UNCASED}{{2,15}}){{0,2}})(?!{_UNCASED}| {_UNCASED}))"
        ),
        score=COMMON,
        gate=re.compile(r"[\u0370-\u1dff\u3041-\ud7fb]"),
    ),
    Rule(
        entity="PERSON",
        pattern=re.compile(rf"{LEFT}(?:{_TITLE}|M\.) ({_NO_NAME}{_FULL_NAME})", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile("M[a-zM.]|Dr|Pr|Doc"),
    ),
    Rule(  # MM. Roche, Lebrun et Da Silva; police officers Bondar, Hrytsenko and Moroz
        entity="PERSON",
        pattern=re.compile(
            rf"{LEFT}(?:MM\.|Mmes|Mlles|Messrs\.?|Mes(?= [A-Z]\. )|(?:officer|judge|prosecutor|investigator|constable"
            rf"|sergeant|defendant|applicant|claimant|lawyer|gendarme|policier|juge)s|witnesses) "
            rf"({_NO_NAME}{_NAME}(?: {_NAME})?(?:{_AND}(?:M\. )?{_NO_NAME}{_NAME}(?: {_NAME})?){{1,5}}){_END}",
            re.ASCII,
        ),
        score=IN_CONTEXT,
        gate=re.compile(r"M(?:M\.|mes|lles|ess|es )|[a-z]s [A-Z]"),
    ),
    Rule(
        entity="PERSON",
        pattern=re.compile(rf"(?:{_ANNOUNCED}) ({_NO_NAME}{_FULL_NAME})", re.ASCII),
        first=re.compile(rf" (?<=(?:{_ENDS}) )(?=[A-Z]|{PARTICLE}[ -][A-Z]|[dl]')"),
        score=IN_CONTEXT,
    ),
    Rule(  # the first plaintiff, Garfield Trevanion, ...; sa fille, Aurore Nkounkou.
        entity="PERSON",
        pattern=re.compile(
            rf"(?:{_PARTIES}), ({_NO_NAME}{_BODY}{_COUNTRIES}{_FULL_NAME})(?=[,.;)]| and | et )", re.ASCII
        ),
        first=re.compile(r",(?= [A-Z])(?<=[a-z],)"),
        score=IN_CONTEXT,
    ),
    Rule(  # Pemberton LJ; Thornley and Okonjo LJJ
        entity="PERSON",
        pattern=re.compile(rf"{LEFT}({_NAME}(?: and {_NAME})?),? (?:LJJ?|JSC|SCJ|CJ|JA|QC|KC|JJ){RIGHT}", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile(r" (?:L?JJ?|JSC|SCJ|CJ|JA|[QK]C)(?![A-Za-z])"),
    ),
    Rule(  # Hollis v Dunmore
        entity="PERSON",
        pattern=re.compile(
            rf"{LEFT}({_COUNTRIES}{_BODY}{_NAME}(?: {_NAME})?(?:{_AND}(?!Others){_NAME}(?: {_NAME})?){{0,2}})"
            rf"(?= (?:\(.{{1,30}}\) )?(?:(?:AND|and|&|et) (?i:others|another|anor|ors|autres) )?"
            rf"(?:v\.?|c\.) (?:the )?(?:{_CAPITAL}|d[ae] ))",
            re.ASCII,
        ),
        score=IN_CONTEXT,
        gate=re.compile(r" (?:v\.?|c\.) (?:the )?[A-Zd]"),
    ),
    Rule(
        entity="PERSON",
        pattern=re.compile(rf" v\.? ({_COUNTRIES}{_BODY}{_NAME})(?= \[| \(|,? \d\d|[.,;)])", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile(r" v\.? [A-Z]"),
    ),
    Rule(
        entity="PERSON",
        pattern=re.compile(rf"{LEFT}{_LABEL} ?: ?(?:DR |Dr\.? |M(?:r|me|rs|s|lle)?\.? )?({_LABELLED})", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile(r"[A-Za-z] ?: ?[A-Z]"),
    ),
    Rule(  # the composition of a court, a name in each line
        entity="PERSON",
        pattern=re.compile(rf"(?m)^[\t ]*({_NAME}(?: {_NAME}){{1,3}}), ?{_COURT}{RIGHT}", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile("resid|udge|uge|egistrar|reff|onseill|apporteur|eneral"),
    ),
    Rule(
        entity="PERSON",
        pattern=re.compile(
            r"(?<=[a-z,(] )([A-Z]\. ?[A-Z]\.(?: ?[A-Z]\.)?)(?![A-Za-z0-9]|-[A-Za-z]| [A-Z]\.)", re.ASCII
        ),
        check=lambda letters: letters not in _SHORT,
        score=COMMON,
        gate=re.compile(r"[A-Z]\. ?[A-Z]\."),
    ),
)
