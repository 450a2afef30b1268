"""Vehicles and devices: what is stamped on them, and plates where something announces one."""

from indexer.recognisers.rule import CHECKED, CODE, IN_CONTEXT, Rule, context, luhn, shape

_VIN = "[0-9A-HJ-NPR-Z]"
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))
_VIN_CHECK_PLACE = 8
_MIN_PLATE = 4
_PLATE = (
    *("number plate", "licence plate", "license plate", "plate number", "plate no", "tag number", "registration mark"),
    *("vehicle registration", "plaque d'immatriculation", "immatriculation", "immatricule", "immatriculee"),
)


def _is_vin(value: str) -> bool:
    """49 CFR 565.15(c): weighted sum modulo 11 is the ninth character, where X is ten."""
    total = sum(
        (int(sign) if sign.isdigit() else _VIN_VALUES[sign]) * weight
        for sign, weight in zip(value, _VIN_WEIGHTS, strict=True)
    )
    return "0123456789X"[total % 11] == value[_VIN_CHECK_PLACE]


def _is_mixed(value: str) -> bool:
    """Whether it has letters and digits, and is long enough for a plate."""
    return len(value) >= _MIN_PLATE and not value.isdigit() and not value.isalpha()


RULES = (
    Rule(  # the last four are digits of every maker's, and the first three, which name it, hold a letter of most
        entity="VEHICLE_ID",
        pattern=shape(rf"(?={_VIN}{{0,2}}[A-HJ-NPR-Z]){_VIN}{{8}}[0-9X]{_VIN}{{4}}\d{{4}}"),
        first=CODE,
        score=CHECKED,
        check=_is_vin,
    ),
    Rule(  # makers outside North America use no check digit
        entity="VEHICLE_ID",
        pattern=shape(rf"{_VIN}(?:[ -]?{_VIN}){{16}}", ignore_case=True),
        score=IN_CONTEXT,
        check=_is_mixed,
        context=context(
            *("vin", "vehicle identification number", "vehicle identification", "chassis", "chassis number"),
            *("numero de chassis", "n° de chassis", "numero vin", "n° vin", "numero d'identification du vehicule"),
            *("carte grise",),
        ),
    ),
    Rule(  # French since 2009, British since 2001; on two lines too, for `lines` sees only what no rule saw a part of
        entity="LICENCE_PLATE",
        pattern=shape(r"[A-HJ-NP-TV-Z]{2}[ \n-]?\d{3}[ \n-]?[A-HJ-NP-TV-Z]{2}|[A-Z]{2}\d{2}[ \n]?[A-Z]{3}"),
        score=IN_CONTEXT,
        context=context(
            *_PLATE, "plate", "plaque", "registration", "reg", "reg no", "vehicle", "vehicule", "voiture", "car"
        ),
    ),
    Rule(  # older ones, and those of the United States, where each state has its own shape
        entity="LICENCE_PLATE",
        pattern=shape(r"\d{1,4}[ -]?[A-Z]{2,3}[ -]?(?:\d{2}|2[AB])|[0-9A-Z]{1,4}[ -]?[0-9A-Z]{2,5}"),
        score=IN_CONTEXT,
        check=_is_mixed,
        context=context(*_PLATE),
    ),
    Rule(
        entity="DEVICE_ID",
        pattern=shape(r"\d{15}|\d{2}-\d{6}-\d{6}-\d|\d{2} \d{6} \d{6} \d"),
        score=CHECKED,
        check=luhn,
        context=context("imei", "imei number", "numero imei", "code imei"),
    ),
    Rule(
        entity="DEVICE_ID",
        pattern=shape(r"(?=[A-Z-]{0,8}\d)[0-9A-Z](?:[ -]?[0-9A-Z]){5,23}"),
        score=IN_CONTEXT,
        check=_is_mixed,
        context=context("serial number", "serial no", "s/n", "device id", "numero de serie", "n° de serie"),
    ),
)
