"""What opens a door: passwords, keys and tokens."""

import re

from indexer.recognisers.fold import BLANK, BREAK
from indexer.recognisers.rule import DISTINCT, LEFT, Rule

_CHARACTER = rf"""[^\s"'<>,;&{BLANK}{BREAK}]"""
_PASSWORD = (
    rf"(?=[pmsacPMSAC])(?:password|passwd|passphrase|passcode|mot de passe|{LEFT}(?:pass|pwd|mdp|pin code|code pin)"
    r"|(?:secret|private|access|account|api|auth)[ _-]?key|api[ _-]?token|client[ _-]?secret)"
)
_LOOSE = r"(?:secret|token|credentials?|authorization|session[ _-]?id)"
_MEANS = r"""["']?[ \t]{0,3}(?:=>|:=|==?|:)\s{0,3}"""
_MEANS_IN_PROSE = r"\s{1,3}(?:is|are|was|est|sera)\s?:?\s{1,3}"
_QUOTED = rf"""["']([^"'\n{BLANK}{BREAK}]{{3,}})["']"""
_NOT_A_WORD = rf"(?={_CHARACTER}*[0-9!#$%*+=?@\\^_~|])"
_QUERY_KEY = r"(?:[\w.-]*(?:token|key|secret|signature|password|passwd|pwd)|sig|sid|auth|jwt|otp|credential)"


def _secret(pattern: str, *words: str) -> Rule:
    return Rule(entity="SECRET", pattern=re.compile(pattern, re.ASCII | re.IGNORECASE), score=DISTINCT, words=words)


def _issued(pattern: str, *words: str) -> Rule:
    """A token whose issuer gives it a shape of its own; capitals count."""
    return Rule(entity="SECRET", pattern=re.compile(f"{LEFT}(?:{pattern})", re.ASCII), score=DISTINCT, words=words)


RULES = (
    _secret(  # to its end, or over every line of base64 that follows where the end is lost
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s0-9A-Z+/=:,.()\\-]{0,16000}?-----END [A-Z ]{0,40}-----|(?:(?:\s|\\[nr]){1,4}[0-9A-Z+/=]{16,})*)"
    ),
    _issued(  # a line of base64 of a key that was split into elements
        r"(?=[0-9A-Za-z+/]{60})(?=[A-Z0-9+/]{0,76}[a-z])(?=[a-z0-9+/]{0,76}[A-Z])(?=[A-Za-z+/]{0,76}\d)[0-9A-Za-z+/]{60,76}={0,2}(?![0-9A-Za-z+/=_.-])"
    ),
    _secret(
        rf"{_PASSWORD}(?:{_MEANS}{_QUOTED}|[\"']?[ \t]{{0,3}}==?[ \t]{{0,3}}({_CHARACTER}{{3,}})"
        rf"|(?:{_MEANS}|{_MEANS_IN_PROSE}){_NOT_A_WORD}({_CHARACTER}{{3,}})"
        rf"|[\"']?[ \t]{{0,3}}:[ \t]{{0,3}}({_CHARACTER}{{4,}})(?=[ \t]*(?:\n|\Z)))",
        *("pass", "pwd", "mdp", "pin code", "code pin", "key", "token", "secret"),
    ),
    _secret(
        rf"{_LOOSE}{_MEANS}(?:{_QUOTED}|(?:bearer |basic )?(?=[^\s]*[0-9])({_CHARACTER}{{8,}}))",
        *("secret", "token", "credential", "authorization", "session"),
    ),
    _secret(rf"{LEFT}(?:bearer|basic)\s(?=[^\s]*[0-9])([\w.~+/-]{{16,}}={{0,2}})", "bearer", "basic"),
    _secret(rf"://([^\s/@:?#{BLANK}{BREAK}]*:[^\s/?#{BLANK}{BREAK}]+)@"),
    _secret(rf"://([^\s/@:?#{BLANK}{BREAK}]{{16,}})@"),
    _secret(rf"[?&;#]{_QUERY_KEY}=([^\s&#;\"'<>{BLANK}{BREAK}]{{6,}})"),
    _issued(
        r"(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[0-9A-Z]{16}",
        *("akia", "asia", "abia", "acca", "agpa", "aida", "aipa", "anpa", "anva", "aroa"),
    ),
    _issued(
        r"gh[opsur]_[0-9A-Za-z]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|npm_[0-9A-Za-z]{36}|pypi-[\w-]{40,}",
        *("gh", "glpat-", "npm_", "pypi-"),
    ),
    _issued(
        r"xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}|hooks\.slack\.com/services/[\w/]{20,}",
        "xox",
        "xapp-",
        "hooks.slack.com",
    ),
    _issued(
        r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|whsec_\w{16,}|sk-[\w-]{20,}|hf_[0-9A-Za-z]{30,}",
        "k_live_",
        "k_test_",
        "whsec_",
        "sk-",
        "hf_",
    ),
    Rule(  # Twilio; the gate is several times faster, for it begins with letters
        entity="SECRET",
        pattern=re.compile(rf"{LEFT}(?:SK|AC)[0-9a-f]{{32}}"),
        score=DISTINCT,
        gate=re.compile("(?:SK|AC)[0-9a-f]{32}"),
    ),
    _issued(r"AGE-SECRET-KEY-1[0-9A-Z]{58}", "age-secret-key-1"),
    _issued(  # Azure, Google, DigitalOcean, Databricks, Vault
        r"[\w~.-]{3}[78]Q~[\w~.-]{31,34}|GOCSPX-[\w-]{20,}|do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|hv[sbr]\.[\w-]{20,}",
        *("q~", "gocspx-", "_v1_", "dapi", "hvs.", "hvb.", "hvr."),
    ),
    _issued(  # Telegram, Shopify, New Relic, Atlassian
        r"\d{8,10}:AA[\w-]{33}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|NRAK-[0-9A-Z]{27}|ATATT3[\w=-]{20,}",
        *(":aa", "shp", "nrak-", "atatt3"),
    ),
    _secret(  # forty characters of base64 near Amazon's word for them
        rf"{LEFT}aws[^\n{BLANK}{BREAK}]{{0,60}}?[\s\"':=]((?=[0-9a-z+/]*\d)(?=[0-9+/]*[a-z])[0-9a-z+/]{{40}})(?![0-9a-z+/=])",
        "aws",
    ),
    _secret(r"private_key_id[\"']{0,2}\s{0,3}[:=]\s{0,3}[\"']?([0-9a-f]{40})(?![0-9a-z])", "private_key_id"),
    _issued(r"AIza[\w-]{35}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}", "aiza", "ya29.", "sg."),
    _issued(r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3}", "eyj"),
)
