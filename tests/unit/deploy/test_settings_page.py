"""The page of settings is what the services read."""

from pathlib import Path

from deploy.settings_page import PAGE, render_page


class TestSettingsPage:
    def test_is_fresh(self) -> None:
        """docs/settings.md is what deploy/settings_page.py writes today."""
        assert Path(PAGE).read_text(encoding="utf-8") == render_page()

    def test_explains_every_setting(self) -> None:
        """No variable is without a sentence that says what it is."""
        rows = [line for line in render_page().splitlines() if line.startswith("| `")]

        assert rows
        assert not [row for row in rows if row.endswith("|  |")]
