"""One stack a folder."""

import fcntl
import os
import re
import shlex
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.lock import hold_lock, running_pid
from deploy.local.paths import StackPaths, stack_paths


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """Return the paths of a stack that was never started."""
    paths = stack_paths(tmp_path / "stack")
    paths.make()
    return paths


class TestHoldLock:
    def test_refuses_a_second_holder_and_says_what_to_do(self, paths: StackPaths) -> None:
        """The second ``up`` on a folder names the first one's process and the way out."""
        with hold_lock(paths), pytest.raises(StackError) as refusal, hold_lock(paths):
            pass

        assert f"process {os.getpid()}" in str(refusal.value)
        assert "cagnotte down --dir" in str(refusal.value)

    def test_names_a_folder_with_a_space_as_a_shell_takes_it(self, tmp_path: Path) -> None:
        """The commands in the refusal can be copied whatever the folder is called."""
        paths = stack_paths(tmp_path / "a stack's folder")
        paths.make()

        with hold_lock(paths), pytest.raises(StackError) as refusal, hold_lock(paths):
            pass

        commands = re.findall("`(.*?)`", str(refusal.value))
        assert [shlex.split(command) for command in commands] == [
            ["cagnotte", name, "--dir", str(paths.root)] for name in ("status", "down")
        ]

    def test_takes_over_what_a_killed_process_left(self, paths: StackPaths) -> None:
        """A lock file without a holder never stands in the way."""
        paths.lock.write_text("999999\n")

        with hold_lock(paths):
            assert running_pid(paths) == os.getpid()

    def test_is_free_again_afterwards(self, paths: StackPaths) -> None:
        """Whoever comes after the end may start."""
        with hold_lock(paths):
            pass

        assert running_pid(paths) is None


class TestRunningPid:
    def test_is_none_where_no_stack_ever_was(self, tmp_path: Path) -> None:
        """Asking makes nothing."""
        assert running_pid(stack_paths(tmp_path / "nothing")) is None
        assert not (tmp_path / "nothing").exists()

    def test_is_none_beside_somebody_else_who_looks(self, paths: StackPaths) -> None:
        """Two who ask at once about a killed ``up`` both hear that it is gone."""
        paths.lock.write_text("999999\n")

        with paths.lock.open() as other:
            fcntl.flock(other, fcntl.LOCK_SH)
            assert running_pid(paths) is None
