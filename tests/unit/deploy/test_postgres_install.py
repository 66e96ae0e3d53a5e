"""PostgreSQL's programs, for a user who may not look into the folder they are installed in."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local import postgres_install
from deploy.local.accounts import SystemAccount
from deploy.local.errors import StackError
from deploy.local.postgres_install import postgres_programs, wheel_programs

pytestmark = pytest.mark.unit


class TestPostgresPrograms:
    def test_are_those_of_the_wheel_for_oneself(self) -> None:
        """Whoever runs PostgreSQL as itself runs what was installed."""
        assert postgres_programs(None) == wheel_programs()

    @pytest.mark.parametrize("program", ["initdb", "postgres", "psql", "pg_ctl"])
    def test_run_from_the_copy_too(self, tmp_path: Path, program: str) -> None:
        """A copy has its libraries where its programs look for them (root often installs under /root)."""
        copied = postgres_install.copy_programs(wheel_programs(), tmp_path / "shared")

        if os.geteuid() != 0:
            assert copied is None  # Only root may leave programs that root runs.
            return
        assert copied is not None
        run = subprocess.run(
            [copied / program, "--version"], env={}, check=True, capture_output=True
        )
        assert b"PostgreSQL" in run.stdout
        libraries = subprocess.run(
            ["ldd", copied / program], env={}, check=True, capture_output=True
        ).stdout.decode()
        assert str(wheel_programs()) not in libraries

    def test_are_copied_where_the_account_cannot_reach_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Programs in a folder that is closed to the server's user are taken from the copy."""
        monkeypatch.setattr(
            postgres_install, "_can_run", lambda programs, _: "shared" in programs.parts
        )
        monkeypatch.setattr(postgres_install, "_SHARED_FOLDER", tmp_path / "shared")
        nobody = SystemAccount("nobody", 65534, 65534)
        if os.geteuid() != 0:  # Only root runs programs as somebody else.
            monkeypatch.setattr(postgres_install, "copy_programs", lambda *_: None)
            with pytest.raises(StackError, match="ordinary user"):
                postgres_programs(nobody)
            return

        programs = postgres_programs(nobody)

        assert programs.is_relative_to(tmp_path / "shared")
        assert (programs / "initdb").is_file()
