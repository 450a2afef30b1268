"""Postal addresses by their shape: British, American and French. Addresses of another shape are for `indexer.ner`."""

import re

from indexer.recognisers.fold import BLANK
from indexer.recognisers.rule import CAPITAL, DIGIT, DISTINCT, IN_CONTEXT, Rule, context, shape
from indexer.recognisers.uk import POSTCODE

# USPS Publication 28, appendix B, by the first digit of the ZIP codes of each state.
_STATES = (
    *("CT|MA|ME|NH|NJ|PR|RI|VT|VI|AE", "DE|NY|PA", "DC|MD|NC|SC|VA|WV", "AL|FL|GA|MS|TN|AA", "IN|KY|MI|OH"),
    *("IA|MN|MT|ND|SD|WI", "IL|KS|MO|NE", "AR|LA|OK|TX", "AZ|CO|ID|NM|NV|UT|WY", "AK|CA|HI|OR|WA|AP|GU|AS|MP"),
)
_STATE = "|".join(_STATES)
_ZIP = r"\d{5}(?:-\d{4})?"
_ZIP_IN_STATE = "|".join(rf"(?:{states}),? {digit}\d{{4}}(?:-\d{{4}})?" for digit, states in enumerate(_STATES))

_NUMBER = r"\d{1,5}(?: ?[A-Da-d](?![A-Za-z])| ?[-/&] ?\d{1,5}(?!\d)| ?(?:bis|ter|quater|BIS|TER|QUATER)(?![A-Za-z]))?"
_HOUSE = re.compile(rf"{DIGIT.pattern}(?=\d{{0,4}}[ ,A-Za-z/&-])")
"""Where a house number may begin."""
_WORD = r"(?:[A-Z][A-Za-z']*(?:-[A-Za-z']+)*\.?|\d{1,3}(?:st|nd|rd|th))"
_SURE = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Boulevard|Blvd|Terrace|Crescent|Gardens|Gdns|Grove|Mews|Close|Parkway|"
    r"Pkwy|Highway|Hwy|STREET|ROAD|AVENUE|LANE|BOULEVARD|TERRACE|CRESCENT|GARDENS|GROVE|CLOSE|PARKWAY|HIGHWAY)"
)
_UNSURE = (
    r"(?:Drive|Dr|Way|Court|Ct|Place|Pl|Square|Sq|Cres|Row|Hill|Park|Circle|Cir|Trail|Trl|Walk|Wharf|Quay|Yard|Green|"
    r"Rise|View|Vale|Parade|Embankment|Broadway|Plaza|Turnpike|Pike|Alley|Loop|Path|Estate|House|Quadrant|Mall)"
)
_SIDE = r"(?: (?:North|South|East|West|[NS][EW]?|[EW])\.?(?![A-Za-z]))?"
# USPS Publication 28, appendix C2: secondary units, with their number; then those that have none; then floors.
_DESIGNATOR = (
    r"(?:(?:Apt|APT|Apartment|Suite|SUITE|Ste|STE|Unit|UNIT|Flat|Floor|Fl|Room|Rm|Bldg|Building|Dept|Space|Spc|Lot|Slip"
    r"|Trlr|Pier|Hangar|Stop)\.? ?#? ?[0-9A-Z-]{1,6}|# ?[0-9A-Z-]{1,6}|Penthouse|PH|Basement|Bsmt"
    r"|(?:\d{1,3}(?:st|nd|rd|th)|[Gg]round|[Ff]irst|[Ss]econd|[Tt]hird|[Tt]op) [Ff]loor)(?![0-9A-Za-z])"
)
_UNIT = rf"(?:(?:,? |,? ?\n){_DESIGNATOR}){{0,2}}"
_TOWN = r"(?:[A-Z][A-Za-z'.-]*(?: (?:[A-Z][A-Za-z'.-]*|upon|on|of|the|sur|en|les|la|le|de|du|des)){0,4})"
_APART = r"(?:,? ?\n ?| - |,? )"
_FRENCH_TOWN = rf"{_TOWN}(?: (?:CEDEX|cedex))?(?:(?<=[Ee][Dd][Ee][Xx]) \d{{1,2}}(?!\d))?"
_COUNTRY = (
    r"(?:United Kingdom|UK|U\.K\.|Great Britain|England|Scotland|Wales|Northern Ireland|Royaume-Uni|UNITED KINGDOM"
    r"|United States(?: of America)?|USA|U\.S\.A\.|Etats-Unis|UNITED STATES|France|FRANCE)(?![A-Za-z])"
)
_CODE = rf"(?:(?:{POSTCODE}|(?:{_STATE})[ ,]{{1,2}}{_ZIP}|\d{{5}} {_FRENCH_TOWN})(?:{_APART}{_COUNTRY})?|{_COUNTRY})"
# A postcode was found before the address was, and is blank by now.
_TAIL = rf"(?:{_APART}{_TOWN}){{0,3}}(?:{_APART}{_CODE}|{_APART}(?:(?:{_STATE})[ ,]{{1,2}})?(?={BLANK}))"
_ENGLISH = rf"{_NUMBER},? (?:{_WORD} ){{1,4}}"
_FLAT = r"(?:Flat|Unit|Apartment|Apt|Suite|Floor|Room)\.? (?:\d{1,4}[A-Za-z]?|[A-Z]),?(?: | ?\n)"
# AFNOR XPZ 10-011, lines 2 and 3: door, floor, staircase, building.
_FRENCH_UNIT = (
    r"(?:(?:[Bb]at(?:iment|\.)?|[Ee]sc(?:alier|\.)?|[Aa]pp(?:artement|t)?\.?|[Pp]orte|[Ee]tage|[Rr]esidence) "
    r"(?:n° ?)?[0-9A-Z][0-9A-Za-z'-]{0,20}|\d{1,2}(?:er|e|eme) etage)"
)

_YEAR = r"(?:19|20)\d\d "
_PARTICLE = r"(?:(?:de la|de|des|du|la|le|les|aux?|et|sur|saint|sainte) |(?:de )?l'|d')"
_CAPITAL = r"[A-Z0-9][A-Za-z0-9'.]*(?:-[A-Za-z0-9']+)*"
_ROUTE = (
    r"(?:[Pp]lace|[Cc]hemin|[Rr]oute|[Cc]ours|[Pp]assage|[Ss]quare|[Rr]uelle|[Ff]aubourg|[Ll]otissement|[Rr]esidence|"
    r"[Ss]entier|[Vv]illa|[Ee]splanade|[Pp]romenade|[Rr]ond-point|[Hh]ameau|[Cc]ite|[Cc]haussee|[Tt]raverse|[Mm]ontee|"
    r"[Vv]enelle|[Mm]ail|[Pp]arvis|[Dd]omaine|PLACE|CHEMIN|ROUTE|COURS|PASSAGE|SQUARE|RESIDENCE|LOTISSEMENT)"
)
_RUE = (
    r"(?:[Rr]ue|RUE|[Aa]venue|AVENUE|[Aa]v\.?|[Bb]oulevard|BOULEVARD|[Bb]l?d\.?|[Aa]llees?|ALLEES?|[Ii]mpasse|IMPASSE"
    r"|[Qq]uai|QUAI)"
)
_NAMED = rf"{_PARTICLE}{{0,2}}{_CAPITAL}(?: {_PARTICLE}{{0,2}}{_CAPITAL}){{0,4}}"
_NAME = rf"(?:{_NAMED}|{_PARTICLE}{{1,2}}[a-z'-]{{3,}})"

_LIVES = context(
    *("address", "adresse", "lives at", "live at", "living at", "lived at", "resides at", "residing at", "resident at"),
    *("domicilie", "domiciliee", "demeurant", "habite", "habitant", "reside", "residant", "domicile"),
    *("deliver to", "ship to", "mail to", "home address", "mailing address", "adresse postale", "siege social"),
)


_STREET = rf"(?:{_FLAT})?{_ENGLISH}(?:{_SURE}|{_UNSURE})\.?{_SIDE}{_UNIT}"
_PO_BOX = r"(?=P)(?:P\.? ?O\.? ?B(?:ox|OX)|Post Office Box)(?: No\.?)? \d{1,6}"
# USPS Publication 28, section 225: the box of a unit or ship, at a post office of the Army, the Fleet or diplomats.
_POST = rf"[AFD]PO,? A[AEP](?![A-Za-z])(?:,? (?:{_ZIP}|(?={BLANK})))?"
_SHIP = r"US(?:S|NS|CGC|NV|V) [A-Z][A-Za-z.]*(?: [A-Z][A-Za-z.]*){0,2}"
_MILITARY = (
    rf"(?:(?:PSC|CMR|Unit|UNIT) \d{{1,5}},? (?:Box|BOX) \d{{1,5}}(?:{_APART}{_POST})?|(?:{_SHIP}{_APART})?{_POST})"
)
_BOX = r"(?:B\.?P\.?|C\.?S\.?) ?(?:n° ?)?\d{1,5}"

RULES = (
    Rule(  # not "in 2008 Wall Street": a year is a house number only where more of the address follows
        entity="ADDRESS",
        pattern=shape(
            rf"(?!{_YEAR}){_ENGLISH}(?:{_SURE}\.?{_SIDE}{_UNIT}(?:{_TAIL})?|{_UNSURE}\.?{_SIDE}{_UNIT}{_TAIL})"
            rf"|(?={_YEAR}){_ENGLISH}(?:{_SURE}|{_UNSURE})\.?{_SIDE}{_UNIT}{_TAIL}"
            rf"|{_NUMBER},? ?(?:{_RUE} {_NAME}(?:(?:,? |,? ?\n){_FRENCH_UNIT}){{0,2}}(?:{_TAIL})?"
            rf"|{_ROUTE} {_NAME}{_TAIL})"
        ),
        score=DISTINCT,
        first=_HOUSE,
    ),
    Rule(
        entity="ADDRESS",
        pattern=shape(
            rf"(?=[FUASR]){_FLAT}{_ENGLISH}(?:{_SURE}|{_UNSURE})\.?{_SIDE}{_UNIT}(?:{_TAIL})?"
            rf"|{_PO_BOX}(?:{_TAIL})?"
            rf"|{_MILITARY}|{_FRENCH_UNIT}(?:,? ?\n?{_FRENCH_UNIT}){{0,3}}(?={_APART}{_NUMBER},? ?(?:{_RUE}|{_ROUTE}))"
            rf"|{_BOX}{_TAIL}"  # otherwise a blood pressure, or base pairs
        ),
        score=DISTINCT,
        first=CAPITAL,
    ),
    Rule(
        entity="ADDRESS",
        pattern=shape(
            rf"(?:{_STREET}|(?:{_NUMBER},? ?)?(?:{_RUE}|{_ROUTE}) {_NAME}|{_BOX})(?:{_TAIL})?",
        ),
        score=IN_CONTEXT,
        context=context(
            *("address", "adresse", "lives at", "live at", "living at", "lived at", "resides at", "residing at"),
            *("resident at", "domicilie", "domiciliee", "demeurant", "habite", "habitant", "reside", "residant"),
            *("domicile", "deliver to", "ship to", "mail to", "home address", "mailing address", "siege social"),
        ),
    ),
    Rule(  # what follows an address that is hidden already, on the next line or the same: unit, town and state, country
        entity="ADDRESS",
        pattern=re.compile(
            rf"{BLANK}(?:,? |,? ?\n)((?:Apt|Apartment|Suite|Ste|Unit|Flat|Bldg)\.? #?[0-9A-Z]{{1,6}}(?![0-9A-Za-z])"
            rf"|(?:{_TOWN}(?:,? |,? ?\n))?(?:{_STATE}) (?={BLANK})|{_COUNTRY}(?=[.,;]?(?:\n|\Z)))",
            re.ASCII,
        ),
        score=DISTINCT,
        gate=re.compile(BLANK),
    ),
    Rule(
        entity="US_ZIP",
        pattern=shape(rf"(?={_ZIP_IN_STATE})[A-Z]{{2}},? ({_ZIP})(?!-)"),
        score=DISTINCT,
        first=CAPITAL,
    ),
    Rule(
        entity="US_ZIP",
        pattern=shape(_ZIP),
        score=IN_CONTEXT,
        context=context("zip", "zip code", "zipcode", "zip+4", "postal code", "code zip"),
    ),
    Rule(
        entity="FR_POSTCODE",
        pattern=shape(r"(?:0[1-9]|[1-8]\d|9[0-578])\d{3}"),
        score=IN_CONTEXT,
        context=context("code postal", "codes postaux", "french postcode", "cp:", "cp :"),
    ),
)
