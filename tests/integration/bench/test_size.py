"""The cost over size is measured for real, at sizes that take no time; how much it is no test asserts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND_SECONDS_MAX = 300

pytestmark = pytest.mark.slow


def bench_size(folder: Path, *, rows: str = "3000,9000") -> "subprocess.CompletedProcess[str]":
    """Run it with one round."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "services.cli", "bench", "size"),
            *(f"--rows={rows}", "--members=200,600", "--rounds=1"),
            *(f"--dir={folder / 'stacks'}", f"--json={folder / 'size.json'}"),
        ],
        env={key: value for key, value in os.environ.items() if key != "CAGNOTTE_DIR"},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


class TestBenchSize:
    def test_writes_its_figures(self, tmp_path: Path) -> None:
        """Both stacks are filled, proven and measured; the folder keeps them for their sizes alone."""
        done = bench_size(tmp_path)

        assert done.returncode == 0, done.stdout + done.stderr
        assert_proven(done.stdout)
        assert_figures(json.loads((tmp_path / "size.json").read_text(encoding="utf-8")))
        again = bench_size(tmp_path, rows="4000,9000")
        assert again.returncode == 2
        assert "is filled to 3,000 rows" in again.stderr


def assert_proven(said: str) -> None:
    """Check that the audit went over what was filled, on both sides."""
    for name in ("small", "large"):
        assert any(
            line.startswith(f"{name}:") and line.endswith("rows passed")
            for line in said.splitlines()
        ), said


def assert_figures(content: dict[str, Any]) -> None:
    """Check that all is there by its name."""
    for name, rows, members in (("small", 3_000, 200), ("large", 9_000, 600)):
        assert content[f"size.rows_{name}"] >= 0.9 * rows
        assert content[f"size.members_{name}"] == members
        assert content[f"size.rows_{name}_after"] > content[f"size.rows_{name}"]
        for unit in ("posting", "ticket"):
            by_process = content[f"cpu_us_per_{unit}_{name}"]
            assert set(by_process) == {"points", "ledger", "postgres", "kafka", "client"}
            assert content[f"size.cpu_us_per_{unit}_{name}"] == pytest.approx(
                sum(by_process.values()), rel=0.01
            )
            assert content[f"size.{unit}s_per_second_{name}"] > 0
            assert content[f"size.full_pages_per_{unit}_{name}"] >= 0
    assert content["size.growth"] > 0
    assert content["size.growth_tickets"] > 0
    assert content["rounds"] == 1
    assert {"cpu", "cores", "memory_gib"} <= set(content["machine"])
