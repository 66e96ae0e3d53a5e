"""The demo's folder."""

from pathlib import Path

import pytest

from deploy.local.demo import demo_stack
from deploy.local.errors import StackError


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
