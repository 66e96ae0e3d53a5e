"""Where a stack keeps what it owns: one folder, readable by its owner alone."""

import os
import shlex
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.errors import StackError

DEFAULT_FOLDER: Final = ".cagnotte"
"""The folder of ``cagnotte up``, under the current folder."""

DEMO_FOLDER: Final = ".cagnotte-demo"
"""The folder of ``cagnotte demo``: made anew by every demo, so never a stack that someone keeps."""

_OWNER_ONLY: Final = 0o700


@dataclass(frozen=True, slots=True)
class StackPaths:
    """The files of one stack."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the running ``up``; its content is that process's id."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What runs, where: written for ``status``, ``env`` and the other commands."""
        return self.root / "stack.json"

    @property
    def secrets(self) -> Path:
        """The passwords of the database roles, made on first start."""
        return self.root / "secrets.json"

    @property
    def keys(self) -> Path:
        """The development identity: its private key and its JWKS."""
        return self.root / "keys"

    @property
    def postgres(self) -> Path:
        """The folder of the system user that PostgreSQL runs as."""
        return self.root / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.postgres / "data"

    @property
    def kafka(self) -> Path:
        """What Apache Kafka keeps, where the stack runs it; the embedded broker keeps nothing."""
        return self.root / "kafka"

    @property
    def provider(self) -> Path:
        """What the sandbox provider keeps."""
        return self.root / "provider"

    @property
    def logs(self) -> Path:
        """One log file a part."""
        return self.root / "logs"

    def command(self, name: str) -> str:
        """Return a command on this stack as a person can copy it into a shell."""
        return f"cagnotte {name} --dir {shlex.quote(str(self.root))}"

    def has_content(self) -> bool:
        """Tell whether anything is in the folder; raises StackError when it is none, or may not be read."""
        try:
            return self.root.exists() and any(self.root.iterdir())
        except OSError as error:
            raise self._unusable(error) from error

    def is_stack(self) -> bool:
        """Tell whether a stack was ever made in the folder, be it one that has not come to write its state."""
        begun = self.lock.is_file() and self.keys.is_dir() and self.logs.is_dir()
        return begun or self.state.is_file()

    def check_free(self) -> None:
        """Raise StackError when the folder holds something that is no stack: it is somebody's, and stays as it is."""
        if self.has_content() and not self.is_stack():
            message = (
                f"{self.root} is not empty and holds no stack: name a folder with --dir that is empty or does not "
                "exist yet."
            )
            raise StackError(message)

    def make(self) -> None:
        """Make the folders; raises StackError when that is not allowed, or the folder holds something else."""
        try:
            self._make_root()
            for folder in (self.keys, self.logs):
                folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
                folder.chmod(_OWNER_ONLY)
            # With it the folder is known as a stack's, however early its first start ends.
            self.lock.touch()
        except OSError as error:
            raise self._unusable(error) from error

    def _make_root(self) -> None:
        try:
            self.root.mkdir(mode=_OWNER_ONLY, parents=True)
        except FileExistsError:
            self.check_free()
            if not self.has_content() and self._is_own():
                self.root.chmod(_OWNER_ONLY)

    def _is_own(self) -> bool:
        """Tell whether the folder is this user's alone: one that is sticky, as ``/tmp`` is, others work in as well."""
        found = self.root.stat()
        return found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX

    def _unusable(self, error: OSError) -> StackError:
        if isinstance(error, FileExistsError | NotADirectoryError):
            return StackError(f"{self.root} is no folder: name another one with --dir.")
        message = (
            f"Cannot write to {self.root}: {error.strerror}. Choose another folder with --dir, or run the command "
            "as the user who owns this one."
        )
        return StackError(message)


def stack_paths(folder: Path) -> StackPaths:
    """Return the paths of the stack in a folder, which need not exist yet."""
    return StackPaths(folder.expanduser().absolute())


def write_private(path: Path, content: str) -> None:
    """Replace a file by one that only its owner can read, in one step: readers see the old or the new.

    Raises StackError when it cannot be written; the old one is as it was.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StackError:
    """Name the file that could not be written and what its disk has left, which a full disk's own error does not."""
    try:
        free = f"{shutil.disk_usage(path.parent).free:,} bytes are free on its disk"
    except OSError:
        free = "its folder cannot be reached"
    return StackError(f"Cannot write {path}: {error.strerror or error}; {free}.")
