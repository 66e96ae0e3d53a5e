"""What a stack remembers."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths, stack_paths, write_private
from deploy.local.processes import ProcessIdentity
from deploy.local.secrets import Passwords, load_passwords, read_passwords, role_names
from deploy.local.state import PartState, StackState, known_state, load_state, save_state

STATE = StackState(
    clock="simulated",
    ports={"ledger": 50051},
    pid=12,
    ready=True,
    parts=(
        PartState("ledger", "127.0.0.1:50051", ProcessIdentity(34, 56.5)),
        PartState("wallet", "127.0.0.1:50053", None),
    ),
    broker="apache",
)


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """Return the paths of a stack that was never started."""
    paths = stack_paths(tmp_path / "stack")
    paths.make()
    return paths


class TestState:
    def test_is_read_as_it_was_written(self, paths: StackPaths) -> None:
        """Every field comes back."""
        save_state(paths, STATE)

        assert load_state(paths) == STATE

    def test_of_a_stack_from_before_it_could_choose_is_embedded(self, paths: StackPaths) -> None:
        """A stack that remembers no broker had the embedded one."""
        save_state(paths, STATE)
        content = json.loads(paths.state.read_text())
        del content["broker"]
        paths.state.write_text(json.dumps(content))

        assert load_state(paths) == replace(STATE, broker="embedded")

    def test_of_a_folder_without_a_stack_names_the_next_step(self, paths: StackPaths) -> None:
        """A command on an empty folder tells how to start a stack there."""
        assert load_state(paths) is None
        with pytest.raises(StackError, match="cagnotte up --dir"):
            known_state(paths)

    def test_that_makes_no_sense_is_refused_with_a_way_out(self, paths: StackPaths) -> None:
        """A damaged file is named, with what deleting it costs."""
        paths.state.write_text("{}")

        with pytest.raises(StackError, match="Delete it"):
            load_state(paths)


class TestPrivateFiles:
    def test_only_their_owner_reads_them(self, paths: StackPaths) -> None:
        """The folder and every file with a secret are closed to others."""
        load_passwords(paths)

        assert stat.S_IMODE(paths.root.stat().st_mode) == 0o700
        assert stat.S_IMODE(paths.secrets.stat().st_mode) == 0o600

    def test_replacing_one_keeps_it_private(self, paths: StackPaths) -> None:
        """A draft that a crash left behind, open to all, does not lend its permissions."""
        target = paths.root / "file"
        target.with_name("file.new").touch(mode=0o644)

        write_private(target, "content")

        assert target.read_text() == "content"
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


class TestPasswords:
    def test_are_made_once(self, paths: StackPaths) -> None:
        """The second start finds the passwords of the first."""
        made = load_passwords(paths)

        assert load_passwords(paths) == made
        assert set(made.by_role) == set(role_names())
        assert len(set(made.by_role.values())) == len(role_names())

    def test_never_show_in_a_representation(self) -> None:
        """A log line or a traceback with the object in it tells nothing."""
        assert "hush" not in repr(Passwords({"ledger_owner": "hush"}))

    def test_missing_beside_data_is_refused(self, paths: StackPaths) -> None:
        """New passwords would lock the data's owner out; the message says so."""
        paths.data.mkdir(parents=True)
        (paths.data / "PG_VERSION").write_text("18")

        with pytest.raises(StackError, match="cannot be opened without it"):
            load_passwords(paths)

    def test_of_no_stack_name_the_next_step(self, paths: StackPaths) -> None:
        """Without a stack there is nothing to read."""
        with pytest.raises(StackError, match="cagnotte up"):
            read_passwords(paths)
