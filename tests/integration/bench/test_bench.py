"""The benchmarks run, and write what they promise; how fast anything is no test asserts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND_SECONDS_MAX = 300

pytestmark = pytest.mark.slow


def bench(name: str, file: Path) -> dict[str, Any]:
    """Run one as short as it goes and give its JSON."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "services.cli", "bench", name),
            *("--seconds=1", "--rounds=1", f"--json={file}"),
        ],
        env={key: value for key, value in os.environ.items() if key != "CAGNOTTE_DIR"},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fork" not in done.stderr, "gRPC has nothing to say of the processes that are started"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def assert_shape(content: dict[str, Any], *, figures: set[str], by_process: set[str]) -> None:
    """Check that all is there and nothing is zero or below."""
    assert figures | by_process <= set(content)
    assert all(content[name] > 0 for name in figures)
    for group in by_process:
        assert {"postgres", "kafka", "client"} < set(content[group])
        assert all(value >= 0 for value in content[group].values())
    assert content["ratios"]
    assert set(content["machine"]) >= {"cpu", "cores", "memory_gib"}
    assert content["rounds"] == 1
    assert content["seconds"] == 1


class TestBench:
    def test_ledger_writes_its_figures(self, tmp_path: Path) -> None:
        """Engine, service, hot account and limits are there by name, CPU by process."""
        content = bench("ledger", tmp_path / "ledger.json")

        assert_shape(
            content,
            figures={
                "ledger.engine_batch_500",
                "ledger.engine_with_api_batch_500",
                "ledger.grpc_batch_500",
                "ledger.grpc_unary",
                "ledger.hot_account_batch_500",
                "limits.copy_1",
                "limits.copy_2",
                "limits.empty_unary",
                "limits.pgbench_tpcb",
            },
            by_process={"cpu_us_per_transfer", "cpu_us_per_transfer_unary"},
        )

    def test_tickets_writes_its_figures(self, tmp_path: Path) -> None:
        """Rates of both ways to send tickets, the latency at half load, CPU by process."""
        content = bench("tickets", tmp_path / "tickets.json")

        assert_shape(
            content,
            figures={
                "tickets.unary",
                "tickets.batch",
                "tickets.p50_ms",
                "tickets.p99_ms",
                "tickets.p50_300_ms",
                "tickets.p99_300_ms",
                "limits.empty_unary",
            },
            by_process={"cpu_us_per_ticket", "cpu_us_per_ticket_batch"},
        )
        assert content["tickets.p50_ms"] <= content["tickets.p99_ms"]

    def test_checkout_writes_its_figures(self, tmp_path: Path) -> None:
        """Rates to the last booking, the payment's own time, CPU by process."""
        content = bench("checkout", tmp_path / "checkout.json")

        assert_shape(
            content,
            figures={
                "checkout.one_tender",
                "checkout.three_tenders",
                "checkout.own_p50_ms",
                "checkout.own_p99_ms",
                "checkout.own_30_p50_ms",
                "checkout.own_30_p99_ms",
                "checkout.authorized_30_p50_ms",
                "checkout.authorized_30_p99_ms",
                "limits.empty_unary",
            },
            by_process={"cpu_us_per_checkout", "cpu_us_per_checkout_half_load_30"},
        )
        assert content["checkout.own_p50_ms"] <= content["checkout.own_p99_ms"]
        assert content["checkout.own_30_p50_ms"] <= content["checkout.own_30_p99_ms"]
        assert 0 < content["checkout.authorized_30_p50_ms"] < content["checkout.own_30_p50_ms"]
        assert {"wallet", "points", "ledger", "provider"} < set(content["cpu_us_per_checkout"])

    def test_overload_writes_its_figures(self, tmp_path: Path) -> None:
        """Capacity, what is kept of it, latencies, memory and recovery of each service; the books agree."""
        content = bench("overload", tmp_path / "overload.json")

        for service in ("points", "ledger", "wallet"):
            names = (
                "capacity",
                "offered",
                "accepted",
                "accepted_p99_ms",
                "memory_most_mib",
                "recovery_ms",
            )
            assert all(content[f"overload.{service}.{name}"] > 0 for name in names)
            assert content[f"overload.{service}.refusals_without_retry_info"] == 0
            assert content[f"overload.{service}.failures"] == 0
