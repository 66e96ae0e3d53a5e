"""Where a stack keeps what it owns: one folder, readable by its owner alone."""

import os
import shlex
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

    def make(self) -> None:
        """Make the folders; raises StackError when that is not allowed."""
        try:
            for folder in (self.root, self.keys, self.logs):
                folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
                folder.chmod(_OWNER_ONLY)
        except OSError as error:
            raise self._unusable(error) from error

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
    """Replace a file by one that only its owner can read, in one step: readers see the old or the new."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
