"""The demo's folder."""

from pathlib import Path

import pytest

from deploy.local.demo import demo_stack
from deploy.local.errors import StackError
from deploy.local.paths import DEMO_FOLDER


class TestDemoStack:
    def test_never_deletes_a_folder_that_somebody_named(self, tmp_path: Path) -> None:
        """A named folder with content is refused, and its content stays."""
        (tmp_path / "precious").touch()

        with (
            pytest.raises(StackError, match="not empty"),
            demo_stack(tmp_path, keep=False, report=print),
        ):
            pass

        assert (tmp_path / "precious").exists()

    def test_deletes_no_folder_of_its_name_that_holds_no_stack(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name alone does not make it an earlier demo's."""
        monkeypatch.chdir(tmp_path)
        precious = tmp_path / DEMO_FOLDER / "precious"
        precious.parent.mkdir()
        precious.touch()

        with (
            pytest.raises(StackError, match="holds no stack"),
            demo_stack(None, keep=False, report=print),
        ):
            pass

        assert precious.exists()
