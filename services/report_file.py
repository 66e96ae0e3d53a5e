"""``--json FILE`` of the commands that report: looked at before anything runs, written at the end."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

_SCREEN: Final = Path("-")


class ReportFileError(Exception):
    """The report's file cannot be written; the message says why."""


def is_screen(json_file: Path | None) -> bool:
    """Tell whether the JSON goes to the standard output, so that everything else must not."""
    return json_file == _SCREEN


def check_report_file(json_file: Path | None) -> Path | None:
    """Pass a file that can be written on; raise ReportFileError for another, before hours have gone into it."""
    if json_file is None or is_screen(json_file):
        return json_file
    if json_file.is_dir():
        raise ReportFileError(f"The report cannot be written: {json_file} is a folder.")
    folder = json_file.absolute().parent
    if not folder.is_dir():
        raise ReportFileError(f"The report cannot be written: there is no folder {folder}.")
    if not os.access(json_file if json_file.exists() else folder, os.W_OK):
        raise ReportFileError(f"The report cannot be written: {json_file} may not be changed.")
    return json_file


def write_report(content: Mapping[str, Any], json_file: Path | None) -> None:
    """Write a report where it was asked for; raise ReportFileError when that cannot be done any more."""
    if json_file is None:
        return
    text = json.dumps(content, indent=2)
    if is_screen(json_file):
        typer.echo(text)
        return
    try:
        json_file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ReportFileError(f"The report cannot be written: {error}.") from error


JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the report as JSON (- for the screen).",
        callback=check_report_file,
    ),
]
