"""The folder of ``--dir``: what cannot be one is one sentence, whatever the command."""

import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from deploy.local.paths import stack_paths
from deploy.local.state import StackState, save_state

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


@pytest.mark.parametrize(
    "command",
    [*COMMANDS[:3], *COMMANDS[4:], ["up", "--detach"], ["up", "--broker=apache"]],
    ids=" ".join,
)
def test_a_folder_with_content_is_refused(command: list[str], tmp_path: Path) -> None:
    """What needs a folder of its own says so, and touches nothing, the folder's mode included."""
    (tmp_path / "precious").touch()
    tmp_path.chmod(0o755)

    done = run(*command, f"--dir={tmp_path}")

    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["status", "env", "replay", "verify", "dead", "down"])
def test_without_a_stack_it_says_how_to_start_one(name: str, tmp_path: Path) -> None:
    """The sentence is a command to copy."""
    done = run(name, f"--dir={tmp_path / 'none'}")

    assert done.returncode == 2
    assert f"cagnotte up --dir {tmp_path / 'none'}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_down_of_a_stack_that_does_not_run_is_done(tmp_path: Path) -> None:
    """There is nothing to stop, and nothing is wrong."""
    paths = stack_paths(tmp_path)
    paths.make()
    save_state(paths, StackState(clock="system", ports={}, pid=1, ready=False))

    done = run("down", f"--dir={tmp_path}")

    assert done.returncode == 0
    assert done.stdout == f"No stack runs in {tmp_path}.\n"


@pytest.mark.parametrize("command", ["demo", "replay"])
def test_a_number_of_baskets_and_all_of_them_is_a_contradiction(
    command: str, tmp_path: Path
) -> None:
    """It is said before anything begins."""
    done = run(command, "--baskets=10", "--all", f"--dir={tmp_path / 'none'}")

    assert done.returncode == 2
    assert "leave out --all or --baskets" in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_version_is_said() -> None:
    """It is the installed package's."""
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"cagnotte {version('cagnotte')}\n")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
