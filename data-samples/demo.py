"""The demo: a sample company's documents connected, indexed, calibrated and served, with nothing but the public faces.

    python data-samples/demo.py            # sets up, serves on 127.0.0.1:8080 and prints what to try
    python data-samples/demo.py --once     # sets up, takes the guided tour, stops; exit 0 if each step came out right

It uses the `penstock` command and HTTP only, keeps everything in one folder of its own, and starts it afresh each time.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

HERE = Path(__file__).resolve().parent
PENSTOCK = Path(sys.executable).with_name("penstock")
MARK = ".made-by-penstock-demo"
REGION = "gb"
PORT = 8080
START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 30
DAY_S = 86_400
SHOWN_PASSAGES = 2
SHOWN_CHARS = 150


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The folder of a demo and the commands that work on it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command: this demo's home and key, whatever stands outside."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        own = {"PENSTOCK_HOME": self.folder / "home", "PENSTOCK_MASTER_KEY_FILE": self.folder / "master.key"}
        return inherited | {name: str(path) for name, path in own.items()}

    def run(self, *arguments: str | Path) -> None:
        """Show a command and run it, its output as it comes."""
        print(f"\n$ penstock {' '.join(map(str, arguments))}", flush=True)
        if subprocess.run([PENSTOCK, *arguments], env=self.environment, check=False).returncode:
            raise DemoError(f"penstock {arguments[0]} failed; its message stands above.")

    def read(self, *arguments: str | Path) -> str:
        """The output of a command."""
        done = subprocess.run([PENSTOCK, *arguments], env=self.environment, check=False, text=True, capture_output=True)
        if done.returncode:
            raise DemoError(f"penstock {' '.join(map(str, arguments[:2]))} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def prepare(self) -> None:
        """A fresh folder with documents of the right age, their manifests, a home and its key."""
        if self.folder.exists():
            if any(self.folder.iterdir()) and not (self.folder / MARK).is_file():
                raise DemoError(f"{self.folder} was not made by this demo. Name another folder with --folder.")
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        (self.folder / MARK).touch()
        shutil.copytree(HERE / "documents", self.folder / "documents")
        shutil.copytree(HERE / "manifests", self.folder / "manifests")
        now = time.time()
        for entry in json.loads((HERE / "documents.json").read_text("utf-8")):
            modified = now - entry["modified_days_ago"] * DAY_S
            os.utime(self.folder / "documents" / entry["path"], (modified, modified))
        self.run("init", "--region", REGION)
        self.run("apply", self.folder / "manifests", "--yes")
        self.run("sync", "--all")
        for manifest in sorted((self.folder / "manifests").glob("*.yaml")):
            self.run("calibrate", manifest.stem, HERE / "golden.jsonl")

    def key(self, caller: Mapping[str, Any]) -> str:
        """A new API key that speaks for a caller of the tour."""
        repeated = [("--group", name) for name in caller["groups"]] + [
            ("--purpose", name) for name in caller["purposes"]
        ]
        options = [text for option in repeated for text in option]
        return self.read("key", "create", "--subject", caller["subject"], *options, "--region", caller["region"])

    @contextmanager
    def serving(self, port: int) -> Iterator[tuple["Api", subprocess.Popen[bytes]]]:
        """The server and its process while the block runs, stopped however the block ends."""
        print(f"\n$ penstock serve --port {port}", flush=True)
        server = subprocess.Popen([PENSTOCK, "serve", "--port", str(port)], env=self.environment)
        api = Api(address=f"http://127.0.0.1:{port}")
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not api.is_ready():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise DemoError("The server did not start; its message stands above.")
                time.sleep(0.2)
            yield api, server
        finally:
            server.terminate()
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@dataclass(frozen=True, kw_only=True)
class Api:
    """A running server."""

    address: str

    def is_ready(self) -> bool:
        """Whether it can serve retrievals."""
        try:
            return self._exchange(Request(f"{self.address}/readyz"))[0] == 200
        except (URLError, OSError):
            return False

    def ask(self, key: str, body: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a retrieval."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return self._exchange(Request(f"{self.address}/v1/retrieve", json.dumps(body).encode(), headers))

    def _exchange(self, request: Request) -> tuple[int, dict[str, Any]]:
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)


@dataclass(kw_only=True)
class Tour:
    """The guided tour over a running demo. `wrong` has what did not come out as it should."""

    demo: Demo
    api: Api
    script: Mapping[str, Any]
    wrong: list[str] = field(default_factory=list)

    def go(self) -> None:
        """Take every step."""
        self.access()
        self.unanswerable()
        self.purge()
        self.checks()

    def access(self) -> None:
        """One question by four callers, of whom one may see what answers it."""
        script, callers = self.script, self.script["callers"]
        answer = self.ask("allowed", script["question"], script["purpose"], "an employee in Britain")
        found = shows(answer, script["document"])
        self.expect("the handbook answers its reader", found and answer["verdict"] in {"answer", "caution"})
        denied: list[dict[str, Any]] = []
        for name, who in (
            ("outsider", "somebody who is in no group of the handbook's"),
            ("wrong_purpose", "an employee, for a purpose the handbook is not for"),
            ("wrong_region", "an employee in a country the handbook must not reach"),
        ):
            refused = self.ask(name, script["question"], callers[name]["purposes"][0], who)
            self.expect(f"{who} is handed off and sees nothing", is_denial(refused))
            denied.append({key: value for key, value in refused.items() if key != "request_id"})
        self.expect("the three refusals are the same", all(refused == denied[0] for refused in denied))

    def unanswerable(self) -> None:
        """A question whose answer is in no document."""
        script = self.script
        answer = self.ask("allowed", script["unanswerable"], script["purpose"], "a question nothing answers")
        self.expect("a question without an answer is handed off", answer["verdict"] == "handoff")

    def purge(self) -> None:
        """A document that outlives its retention: not shown from that instant, then deleted with a receipt."""
        story, demo = self.script["purge"], self.demo
        source, document = story["source"], story["document"]
        manifest = demo.folder / "manifests" / f"{source}.yaml"
        self.expect("the ticket is found", shows(self._about_ticket("before"), document))
        text = manifest.read_text("utf-8")
        manifest.write_text(text.replace(story["retention_before"], story["retention_after"]), "utf-8")
        print(f"\n# the retention in {manifest.name}: {story['retention_before']} becomes {story['retention_after']}")
        demo.run("plan", manifest)
        demo.run("apply", manifest, "--yes")
        self.expect(
            "the ticket is not shown from that instant", not shows(self._about_ticket("after the change"), document)
        )
        demo.run("purge", "plan", source)
        due = json.loads(demo.read("purge", "plan", source, "--json"))["documents"]
        receipts = demo.folder / "receipts"
        demo.run("purge", "run", source, "--yes", "--receipt-dir", receipts)
        written = sorted(receipts.iterdir())
        self.expect("there is one receipt", len(written) == 1)
        receipt = json.loads(written[0].read_text("utf-8"))["receipt"]
        self.expect(
            "every due document is on it", set(receipt["documents"]) == {entry["document"] for entry in due} != set()
        )
        left = [check["what"] for check in receipt["checks"] if check["found"]]
        self.expect("nothing of them was found in any file", bool(receipt["checks"]) and not left)
        demo.run("purge", "check", written[0])
        self.expect("the ticket is gone", not shows(self._about_ticket("after the purge"), document))
        self.expect(
            "a second purge finds nothing", not json.loads(demo.read("purge", "run", source, "--yes", "--json"))
        )

    def checks(self) -> None:
        """The audit holds, and catalog, keyring, index and files agree."""
        self.demo.run("audit", "verify")
        self.demo.run("verify")

    def ask(self, caller: str, question: str, purpose: str, who: str) -> dict[str, Any]:
        """Ask as a caller of the script and print both sides."""
        key = self.demo.key(self.script["callers"][caller])
        body = {"query": question, "purpose": purpose, "k": 5}
        print(f"\n# {who}\nPOST /v1/retrieve {json.dumps(body, ensure_ascii=False)}")
        status, answer = self.api.ask(key, body)
        if status != 200:
            raise DemoError(f"The server answered {status}: {answer.get('detail', '')}")
        print_answer(answer)
        return answer

    def expect(self, what: str, holds: bool) -> None:
        """Print whether it came out right, and remember it where it did not."""
        print(f"{'✓ as it should be' if holds else '✗ NOT as it should be'}: {what}", flush=True)
        if not holds:
            self.wrong.append(what)

    def _about_ticket(self, when: str) -> dict[str, Any]:
        story = self.script["purge"]
        return self.ask("support_agent", story["question"], story["purpose"], f"a support agent in the US, {when}")


def shows(answer: Mapping[str, Any], document: str) -> bool:
    """Whether a passage of this document, a path below the samples' documents, is in the answer."""
    source, _, path = document.partition("/")
    return any((passage["source"], passage["uri"]) == (source, f"file:{quote(path)}") for passage in answer["passages"])


def is_denial(answer: Mapping[str, Any]) -> bool:
    """Whether the answer shows nothing, in the one way there is."""
    return (answer["verdict"], answer["reasons"], answer["passages"]) == ("handoff", ["no_visible_passage"], [])


def print_answer(answer: Mapping[str, Any]) -> None:
    """The answer, with its passages shortened."""
    value = answer["confidence"]["value"]
    confidence = f"confidence {value:.2f} ({answer['confidence']['status']})" if value is not None else "no confidence"
    print(f"→ {answer['verdict']} {answer['reasons']}, {confidence}, {len(answer['passages'])} passages")
    for passage in answer["passages"][:SHOWN_PASSAGES]:
        text = textwrap.shorten(passage["text"], SHOWN_CHARS, placeholder=" …")
        print(textwrap.indent(textwrap.fill(f"{passage['title']}: {text}", 110), "    "))


def print_invitation(demo: Demo, api: Api, script: Mapping[str, Any]) -> None:
    """Three things to try, each to be pasted into another terminal."""
    callers = script["callers"]
    story = script["purge"]
    tries = [
        ("an employee asks", "allowed", script["question"], script["purpose"]),
        ("the same, by somebody who may not see it", "outsider", script["question"], script["purpose"]),
        ("a support agent in the United States asks", "support_agent", story["question"], story["purpose"]),
    ]
    print("\nTry, in another terminal:")
    for what, caller, question, purpose in tries:
        body = shlex.quote(json.dumps({"query": question, "purpose": purpose}))
        print(
            f"\n# {what}\ncurl -s {api.address}/v1/retrieve -H 'Content-Type: application/json' \\\n"
            f"  -H 'Authorization: Bearer {demo.key(callers[caller])}' \\\n  -d {body}"
        )
    print("\nCtrl-C stops the server. `python data-samples/demo.py --once` takes the guided tour.", flush=True)


def check_free(port: int) -> None:
    """Refuse before anything is made, rather than when it is time to serve."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise DemoError(f"Port {port} is in use. Stop what uses it, or choose another with --port.") from error


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tour(demo: Demo, port: int, script: Mapping[str, Any]) -> int:
    """Set up, take the tour, and sum it up; the exit code."""
    demo.prepare()
    with demo.serving(port) as (api, _):
        guided = Tour(demo=demo, api=api, script=script)
        guided.go()
    if guided.wrong:
        print("\nNOT as it should be: " + "; ".join(guided.wrong))
        return 1
    print("\nEverything came out as it should.")
    return 0


def serve(demo: Demo, port: int, script: Mapping[str, Any]) -> int:
    """Set up and serve until stopped; the exit code."""
    demo.prepare()
    with demo.serving(port) as (api, server):
        print_invitation(demo, api, script)
        try:
            return server.wait()
        except KeyboardInterrupt:
            # That is how it is meant to end.
            return 0


def main(arguments: Sequence[str]) -> int:
    """Run the demo; the exit code: 0 as it should be, 1 not, 2 it cannot go on, 130 stopped before it was done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--once", action="store_true", help="take the guided tour and stop")
    parser.add_argument("--port", type=int, help=f"port of the server (default {PORT}, with --once a free one)")
    parser.add_argument("--folder", type=Path, default=Path(".penstock/demo"), help="where the demo keeps everything")
    given = parser.parse_args(arguments)
    script = json.loads((HERE / "tour.json").read_text("utf-8"))
    demo = Demo(folder=given.folder.absolute())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        port = given.port or (free_port() if given.once else PORT)
        check_free(port)
        return (tour if given.once else serve)(demo, port, script)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
