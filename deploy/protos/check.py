"""Lints the protos and compares them with the recorded ones: ``python -m deploy.protos.check [--record]``.

``protos/baseline.binpb`` is the image of the protos that others may already rely on. Whatever the present protos would
break in it fails the check; ``--record`` makes the present ones the baseline, which it does only when they break
nothing.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.protos.compiler import PROTOS, ProtocFailed, run_protoc, sources

BASELINE: Final = PROTOS / "baseline.binpb"


def main() -> None:
    """Lint, check the format, compare, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="make these protos the baseline")
    record = parser.parse_args().record
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "present.binpb"
        try:
            _write_image(image, options=["--include_source_info"])
            _lint(image)
            _compare(image)
            if record:
                _write_image(BASELINE, options=[])
                sys.stdout.write("buf: these protos are the baseline now.\n")
        except ProtocFailed:
            sys.exit("protoc refused the protos: see above.")
        except subprocess.CalledProcessError as failure:
            sys.exit(f"buf {failure.cmd[1]} failed: see above.")


def _write_image(image: Path, *, options: list[str]) -> None:
    """Compile all protos with their imports into one descriptor set."""
    run_protoc(
        files=sources(),
        options=["--include_imports", *options, f"--descriptor_set_out={image}"],
    )


def _lint(image: Path) -> None:
    """Check the rules of ``buf.yaml`` and the format of the files."""
    _buf("lint", str(image), "--path=cagnotte")
    _buf("format", "--diff", "--exit-code", "--path=cagnotte", ".")
    sys.stdout.write(f"buf: {len(sources())} protos follow the rules and the format.\n")


def _compare(image: Path) -> None:
    """Fail when the protos break what the baseline promises."""
    if not BASELINE.exists():
        sys.stdout.write(
            "buf: no earlier version is recorded, so there is nothing that these protos could break"
            " (`python -m deploy.protos.check --record` records them).\n"
        )
        return
    _buf("breaking", str(image), f"--against={BASELINE}", "--path=cagnotte")
    sys.stdout.write("buf: nothing that the recorded protos promise is broken.\n")


def _buf(command: str, *arguments: str) -> None:
    """Run the buf of this environment in ``protos``, where its configuration is."""
    buf = Path(sys.executable).parent / "buf"
    subprocess.run([str(buf), command, *arguments], cwd=PROTOS, check=True)


if __name__ == "__main__":
    main()
