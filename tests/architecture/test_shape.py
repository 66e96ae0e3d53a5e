"""The limits of the style guide that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "misc", "common_utils"})

EXCEPTION = re.compile(r"#\s*(noqa\b|type: ignore)")
REASONED = re.compile(r"noqa: [A-Z0-9, ]+ -- \S|type: ignore\[[\w, -]+\]  # \S")

Function = ast.FunctionDef | ast.AsyncFunctionDef

PRODUCT = sorted(path for top in ("services", "deploy") for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the path as a person would say it."""
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[Function]:
    """Find every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Count a function's lines from ``def`` to its end, without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def excepted(path: Path) -> list[int]:
    """Return the lines of a file that are excepted from a check and do not say why, there or just above."""
    lines = path.read_text().splitlines()
    return [
        number
        for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False), start=1)
        if EXCEPTION.search(line)
        and not REASONED.search(line)
        and not above.strip().startswith("#")
    ]


class TestExceptions:
    @pytest.mark.parametrize("path", [*PRODUCT, *TESTS], ids=name_of)
    def test_have_their_reasons(self, path: Path) -> None:
        """A line that a linter or mypy is not to judge says why."""
        assert excepted(path) == []


class TestSizes:
    @pytest.mark.parametrize("path", PRODUCT, ids=name_of)
    def test_a_file_is_read_in_one_sitting(self, path: Path) -> None:
        """No file of services or deploy is longer than 400 lines."""
        lines = len(path.read_text().splitlines())

        assert lines <= FILE_LINES_MAX

    @pytest.mark.parametrize("path", PRODUCT, ids=name_of)
    def test_a_function_fits_on_a_screen(self, path: Path) -> None:
        """No function of services or deploy is longer than 40 lines, docstring apart."""
        tree = ast.parse(path.read_text())

        long = {
            f"{function.name}:{function.lineno}": code_lines(function)
            for function in functions(tree)
            if code_lines(function) > FUNCTION_LINES_MAX
        }

        assert not long


class TestNames:
    def test_no_module_is_a_drawer(self) -> None:
        """A module is named after what is in it, never utils, helpers or manager."""
        vague = [name_of(path) for path in [*PRODUCT, *TESTS] if path.stem in VAGUE_NAMES]

        assert not vague


class TestTests:
    @pytest.mark.parametrize(
        "path", [path for path in TESTS if path.name.startswith("test_")], ids=name_of
    )
    def test_every_test_says_what_it_proves(self, path: Path) -> None:
        """Each test has a docstring that states the behavior."""
        tree = ast.parse(path.read_text())

        silent = [
            function.name
            for function in functions(tree)
            if function.name.startswith("test_") and ast.get_docstring(function) is None
        ]

        assert not silent
