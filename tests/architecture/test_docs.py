"""The pages lead where they say: links, headings, files and the lists of pages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = ROOT / "docs/adr"

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FILE = re.compile(r"`((?:services|deploy|protos|tests|docs)/[\w./-]*\w)`")


def name_of(path: Path) -> str:
    """Return the path as a person would say it."""
    return path.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return _FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in a link."""
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in bare}


def dead_links(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    dead = []
    for target, anchor in _LINK.findall(prose(page)):
        goal = (page.parent / target).resolve() if target else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            dead.append(f"{target}#{anchor}")
    return dead


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_links_lead_somewhere(self, page: Path) -> None:
        """Every relative link is a file of the repository, and its anchor a heading there."""
        assert dead_links(page) == []

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_named_files_exist(self, page: Path) -> None:
        """A page that names a file or folder tells of one that is there."""
        named = set(_FILE.findall(prose(page)))

        assert [name for name in sorted(named) if not (ROOT / name).exists()] == []

    def test_the_index_knows_every_page(self) -> None:
        """Who begins at docs/README.md finds every page."""
        index = (ROOT / "docs/README.md").read_text()
        pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}

        assert {page for page in pages if f"({page}" not in index} == set()


class TestDecisions:
    def test_the_index_has_each_decision_in_order(self) -> None:
        """The list of decisions is the folder's, by number."""
        listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (DECISIONS / "README.md").read_text())

        assert listed == sorted(path.name for path in DECISIONS.glob("0*.md"))

    def test_each_begins_with_its_number(self) -> None:
        """A decision is cited by number; none is given twice."""
        numbers = [path.name[:4] for path in sorted(DECISIONS.glob("0*.md"))]

        assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
