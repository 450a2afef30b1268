"""The README's first source, followed word for word."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = [
    (re.compile(r"pk_\w{16}_[\w-]{43}"), "KEY"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "ID"),
    (re.compile(r"_[a-p]{20}\]"), "_PSEUDONYM]"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"\d\d:\d\d UTC"), "TIME"),
    # A pseudonym is part of what is embedded, and every home has its own.
    (re.compile(r"score 0\.\d+"), "SCORE"),
]


def test_the_transcript_comes_out_as_it_stands_there(tmp_path: Path) -> None:
    section = README.read_text("utf-8").split("## A first source")[1].split("\n## ")[0]
    transcript = ""
    for block in _BLOCK.finditer(section):
        if block["name"]:
            path = tmp_path / block["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["content"], "utf-8")
        else:
            transcript += block["content"]

    commands = [line.removeprefix("$ ") for line in transcript.splitlines() if line.startswith("$ ")]
    said = "".join(f"$ {command}\n{_run(command, tmp_path)}" for command in commands)

    assert len(commands) >= 8
    assert _fixed(said, tmp_path) == _fixed(transcript, tmp_path)


def _run(command: str, folder: Path) -> str:
    outside = dict(os.environ)  # noqa: TID251 - a command inherits it, as a newcomer's does
    inherited = {name: value for name, value in outside.items() if not name.startswith("PENSTOCK_")}
    scripts = Path(sys.executable).parent
    environment = inherited | {"PATH": f"{scripts}:{outside['PATH']}", "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def _fixed(text: str, folder: Path) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    lines = text.replace(f"{folder}/", "").splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())
