"""Apache Kafka where it cannot run: one clear line and a failing exit, never a traceback or a pass."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.kafka.apache import ApacheKafka

REFUSING_MAVEN = """#!/bin/sh
echo "[INFO] Scanning for projects..."
echo "[ERROR] Could not transfer artifact from/to somewhere: Connection refused -> [Help 1]"
echo "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch."
exit 1
"""


def install(folder: Path, name: str, script: str = "#!/bin/sh\n") -> None:
    """Put a program into a folder that will be the whole PATH."""
    program = folder / name
    program.write_text(script)
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return the folder that is the PATH of the command."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def fetch(programs: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a cache of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.kafka.fetch"],
        env={"PATH": str(programs), "XDG_CACHE_HOME": str(programs.parent / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


class TestFetch:
    @pytest.mark.parametrize("missing", ["java", "mvn"])
    def test_names_the_program_that_is_missing(self, programs: Path, missing: str) -> None:
        """Without Java or Maven it fails with one line that says what to install."""
        for name in {"java", "mvn"} - {missing}:
            install(programs, name)

        refused = fetch(programs)

        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert f"there is no {missing}" in refused.stderr
        assert "apt install" in refused.stderr

    def test_says_why_maven_did_not_reach_its_repository(self, programs: Path) -> None:
        """Of all that Maven says the first error is shown, and nothing half fetched stays."""
        install(programs, "java")
        install(programs, "mvn", REFUSING_MAVEN)

        refused = fetch(programs)

        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert "Connection refused" in refused.stderr
        assert list((programs.parent / "cache" / "cagnotte").iterdir()) == []


class TestApacheKafka:
    def test_listens_on_the_loopback_alone(self, tmp_path: Path) -> None:
        """Neither the broker nor its controller is there for other machines."""
        kafka = ApacheKafka(tmp_path, tmp_path / "jars", port=1, controller_port=2)

        listeners = kafka.listeners()

        assert listeners == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
