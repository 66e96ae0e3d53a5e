"""The folder of ``--dir``: what cannot be one is one sentence, whatever the command."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (["up"], ["demo"], ["bench", "ledger"], ["bench", "size"], ["chaos", "kills"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_refused_with_a_sentence(command: list[str], name: str, tmp_path: Path) -> None:
    """A file, or what would be below one, is named, and stays as it is."""
    (tmp_path / "file").write_text("kept")

    done = run(*command, f"--dir={tmp_path / name}")

    assert done.returncode == 2
    assert done.stderr.startswith("cagnotte: ")
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / name) in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("command", COMMANDS[1:3] + COMMANDS[4:], ids=" ".join)
def test_a_folder_with_content_is_refused(command: list[str], tmp_path: Path) -> None:
    """What needs a fresh folder says so, and touches nothing."""
    (tmp_path / "precious").touch()

    done = run(*command, f"--dir={tmp_path}")

    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["status", "env", "replay", "verify", "dead"])
def test_without_a_stack_it_says_how_to_start_one(name: str, tmp_path: Path) -> None:
    """The sentence is a command to copy."""
    done = run(name, f"--dir={tmp_path / 'none'}")

    assert done.returncode == 2
    assert f"cagnotte up --dir {tmp_path / 'none'}" in done.stderr
    assert done.stderr.count("\n") == 1


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
