"""Web addresses, and the identifiers that machines give one another.

A bare domain is one by its top-level domain. Those that texts about software use for something else are left out:
`.md`, `.py`, `.sh`, `.rs`, `.pl`, `.zip`, `.mov` and `.app` end files; `.io`, `.name`, `.id`, `.is`, `.in`, `.to`,
`.it` and `.me` are modules and members. After a scheme or `www.`, every one counts.
"""

import re

from indexer.recognisers.fold import BLANK, BREAK
from indexer.recognisers.rule import COMMON, DISTINCT, RIGHT, Rule, shape

_TOP = (
    "com|org|net|edu|gov|mil|info|biz|coop|museum|eu|uk|fr|us|ca|au|nz|ie|de|ch|be|nl|lu|es|pt|se|dk|fi|cz|gr|"
    "jp|cn|kr|br|mx|za|online|shop|tech|blog|paris|london|bzh|scot|wales"
)
_MARK = rf"""[^\s<>"'`|\\^{{}}\[\]{BLANK}{BREAK}]"""
_LAST = r"(?<=[\w/=&%#+~*$@-])"
_REST = rf"(?::\d{{1,5}})?(?:[/?#]{_MARK}*{_LAST})?"

RULES = (
    Rule(
        entity="URL",
        pattern=re.compile(
            rf"(?=[hfwHFW])(?:(?:h(?:tt|xx)ps?|ftps?|wss?)(?::|%3A)(?://|%2F%2F)|www\d?\.(?=[0-9a-z])){_MARK}+{_LAST}",
            re.IGNORECASE,
        ),
        score=COMMON,
        gate=re.compile("://|%2F%2F|www", re.IGNORECASE),
    ),
    Rule(  # capitals end none here: ASP.NET, "it.For"; nor is it one below an @ or a dot, where `lines` finds an e-mail
        entity="URL",
        pattern=re.compile(
            rf"[0-9A-Za-z](?<![0-9A-Za-z._@-].)(?<![@.-]\n.)(?<![@.-]\n{BREAK}\n.)[0-9A-Za-z-]{{0,62}}(?:\.[0-9A-Za-z-]{{1,63}}){{0,8}}"
            rf"\.(?:{_TOP})(?![0-9A-Za-z_(-]|\.[0-9A-Za-z]){_REST}",
            re.ASCII,
        ),
        score=COMMON,
        gate=re.compile(rf"\.(?:{_TOP}){RIGHT}"),
    ),
    Rule(
        entity="UUID",
        pattern=shape(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
        score=DISTINCT,
        gate=re.compile("-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-"),
    ),
)
