import json
import os
from pathlib import Path

import pytest

from policies import manifest
from policies.errors import ManifestError
from policies.manifest.clauses import Clause
from tests.policies.handbook import TEXT, source

# Files


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "hr.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert manifest.load(path) == source()


def test_a_byte_order_mark_is_no_part_of_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "hr.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert manifest.load(path) == source()


def _unloadable(path: Path) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        manifest.load(path)
    assert caught.value.path == str(path)
    return caught.value


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert _unloadable(tmp_path / "none.yaml").message == "There is no such file."
    assert _unloadable(tmp_path).message == "There is no such file."


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hr.yaml"
    path.write_text(TEXT)
    path.chmod(0)
    assert _unloadable(path).message == "The file cannot be read."


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    assert _unloadable(tmp_path / ("x" * 300)).message == "The file cannot be read."


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "hr.yaml"
    path.write_bytes("source: a\ntitle: Büro\n".encode("latin-1"))
    refusal = _unloadable(path)
    assert (refusal.line, refusal.message) == (2, "The file is not UTF-8.")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_file_that_is_too_large_is_refused_whole(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "hr.yaml"
    path.write_bytes(start + TEXT.encode() + b"#" * 65_536)
    assert _unloadable(path).message == "The file is larger than 64 KiB."


# The schema


def test_the_schema_is_closed_and_names_the_keys_of_the_file() -> None:
    schema = manifest.json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["source", "title", "owner", "connector", "policy"]
    assert schema["additionalProperties"] is False
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert {name for name, each in definitions.items() if each["additionalProperties"]} == {"Connector"}
    policy = definitions["Policy"]
    assert set(policy["properties"]) - set(policy["required"]) == {
        "guardrail",
        "contract",
        "record",
        "assessment",
        "customer",
    }


def test_every_key_has_an_example_for_its_mend() -> None:
    sections = {"policy", "guardrail", "contract", "record", "schedule", "limits"}
    without = {
        f"{clause.__name__}.{name}"
        for clause in Clause.__subclasses__()
        for name, field in clause.model_fields.items()
        if not field.examples and name not in sections
    }
    assert without == set()
