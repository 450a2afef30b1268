"""In a checkout of Penstock, with this package installed: python -m pytest PATH/OF/test_penstock_zip.py"""

import zipfile
from pathlib import Path

import pytest
from penstock_zip import ZipConnector
from tests.connectors.conformance import ConnectorConformance


class Archive:
    many = 0  # it is written anew for each change, which would take minutes for a thousand documents

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write({})

    def connector(self) -> ZipConnector:
        return ZipConnector(archive=self.path)

    def write(self, files: dict[str, bytes]) -> None:
        self.files = files
        with zipfile.ZipFile(self.path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    def put(self, name: str, content: bytes) -> None:
        self.write({**self.files, name: content})

    def rename(self, name: str, new_name: str) -> None:
        self.write({new_name if old == name else old: content for old, content in self.files.items()})

    def delete(self, name: str) -> None:
        self.write({other: content for other, content in self.files.items() if other != name})

    def break_off(self) -> None:
        self.path.unlink()


class TestZipConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, tmp_path: Path) -> Archive:
        return Archive(tmp_path / "export.zip")
