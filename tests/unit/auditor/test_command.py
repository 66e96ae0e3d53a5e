"""``cagnotte acknowledge``: who looked at a break writes it down."""

from pathlib import Path

from typer.testing import CliRunner

from services.auditor.acknowledgements import read_acknowledgements
from services.cli_commands import app


def test_a_line_is_added_with_the_present_time(tmp_path: Path) -> None:
    """The list is what ``verify --acknowledged`` reads."""
    file = tmp_path / "acknowledged.jsonl"
    said = ["--check", "books.clearing", "--break", "holds 5", "--by", "finance", "--why", "late"]
    for _ in range(2):
        done = CliRunner().invoke(app, ["acknowledge", str(file), *said])
        assert done.exit_code == 0, done.output

    first, second = read_acknowledgements(file)

    assert first[:3] == ("books.clearing", "holds 5", "finance")
    assert first.time <= second.time
