"""How a page begins that loads nothing and runs nothing, whatever the rest of it holds."""

from base64 import b64encode
from hashlib import sha256


def policy(style: str) -> str:
    """What a browser may do for a page (Content Security Policy, level 3): this style, and nothing else."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def opening(title: str, style: str, *, mark: str = "") -> str:
    """A page up to its body. `title` and `mark`, a further element of the head, are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style)}">\n{mark}'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex, nofollow">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )
