"""The file of ``--json``: a command that cannot write it does not start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.report_file import ReportFileError, check_report_file, write_report


class TestCheckReportFile:
    def test_passes_what_can_be_written(self, tmp_path: Path) -> None:
        """A new file, a present one, the screen, and no file at all."""
        present = tmp_path / "present.json"
        present.touch()

        for json_file in (tmp_path / "new.json", present, Path("-"), None):
            assert check_report_file(json_file) == json_file
        assert not (tmp_path / "new.json").exists()

    def test_refuses_a_folder_and_what_is_in_none(self, tmp_path: Path) -> None:
        """The message names what is wrong."""
        with pytest.raises(ReportFileError, match="is a folder"):
            check_report_file(tmp_path)
        with pytest.raises(ReportFileError, match="there is no folder"):
            check_report_file(tmp_path / "missing" / "report.json")

    @pytest.mark.parametrize(
        "command", [["demo"], ["replay"], ["bench", "ledger"], ["chaos", "kills"]]
    )
    def test_is_made_before_anything_starts(self, command: list[str], tmp_path: Path) -> None:
        """Every command with a report ends at once, with one sentence, and leaves nothing behind."""
        missing = tmp_path / "missing" / "report.json"
        stack = tmp_path / "stack"

        done = subprocess.run(
            [
                *(sys.executable, "-m", "services.cli", *command),
                *(f"--json={missing}", f"--dir={stack}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("cagnotte: The report cannot be written: there is no folder")
        assert not stack.exists()


class TestWriteReport:
    def test_writes_json(self, tmp_path: Path) -> None:
        """What stands in the file is the report."""
        write_report({"ok": True}, tmp_path / "report.json")

        assert json.loads((tmp_path / "report.json").read_text()) == {"ok": True}

    def test_tells_when_the_folder_is_gone(self, tmp_path: Path) -> None:
        """A failure at the end is a sentence, too."""
        with pytest.raises(ReportFileError, match="cannot be written"):
            write_report({"ok": True}, tmp_path / "gone" / "report.json")
