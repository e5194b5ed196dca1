# SPDX-License-Identifier: GPL-2.0
"""README.md and Documentation: each page is sound, is found, and leads somewhere."""

from __future__ import annotations

import functools
import importlib.util
import io
import re
import unittest
from pathlib import Path
from typing import Any

from .support import SCRIPTS

README = SCRIPTS.parent / "README.md"
FOLDER = SCRIPTS.parent / "Documentation"
PAGES = sorted(FOLDER.glob("*.rst"))
INDEX = FOLDER / "index.rst"
RECIPES = FOLDER / "contributing.rst"

MARKDOWN_LINK = re.compile(r"\]\(([^()]+)\)")
ELSEWHERE = "://"
WARNING = 2
SETTINGS = {"report_level": WARNING, "syntax_highlight": "none", "input_encoding": "utf-8",
            "file_insertion_enabled": False}

NEEDS_DOCUTILS = unittest.skipUnless(
    importlib.util.find_spec("docutils"), "no docutils: apt-get install python3-docutils")


@functools.cache
def read(page: Path) -> tuple[Any, str]:
    """A page as docutils reads it, and what it complains of."""
    from docutils.core import publish_doctree
    complaints = io.StringIO()
    tree = publish_doctree(page.read_text(), source_path=page.name, settings_overrides={
        **SETTINGS, "warning_stream": complaints})
    return tree, complaints.getvalue()


def links(page: Path) -> list[str]:
    """Where a page points to in this tree."""
    if page == README:
        found = MARKDOWN_LINK.findall(page.read_text())
    else:
        tree, _ = read(page)
        found = [node[key] for node in tree.findall()
                 for key, kind in (("refuri", "reference"), ("uri", "image"))
                 if node.tagname == kind and key in node]
    return [link for link in found if ELSEWHERE not in link]


def sources() -> list[Path]:
    """What is written in C and in Python."""
    return [path for folder in ("module", "kunit", "scripts")
            for path in (SCRIPTS.parent / folder).rglob("*.*")
            if path.suffix in (".c", ".h", ".py")]


def is_there(page: Path, link: str) -> bool:
    """Whether a file is there, and a title or mark in it if the link names one."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in read(target)[0].ids)


@NEEDS_DOCUTILS
class Documentation(unittest.TestCase):
    def test_docutils_complains_of_nothing(self) -> None:
        """Tables, names within a page, markup."""
        for page in PAGES:
            with self.subTest(page.name):
                self.assertEqual(read(page)[1], "")

    def test_every_page_has_a_title(self) -> None:
        for page in PAGES:
            with self.subTest(page.name):
                self.assertTrue(read(page)[0].get("title"))

    def test_every_link_leads_somewhere(self) -> None:
        for page in [README, *PAGES]:
            for link in links(page):
                with self.subTest(page=page.name, link=link):
                    self.assertTrue(is_there(page, link))

    def test_every_page_stands_in_the_index(self) -> None:
        listed = {link.partition("#")[0] for link in links(INDEX)}
        self.assertEqual([page.name for page in PAGES if page != INDEX
                          and page.name not in listed], [])

    def test_what_the_recipes_name_is_in_the_sources(self) -> None:
        """Files, functions, lists; not what somebody puts a name of his own into."""
        files = sources()
        words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
        for name in re.findall("``([^`]+)``", RECIPES.read_text()):
            with self.subTest(name):
                if re.fullmatch(r"[\w/]+\.(c|h|py|rst)", name) and "NAME" not in name:
                    self.assertTrue(any(f"/{path}".endswith(f"/{name}")
                                        for path in (*files, *PAGES)))
                elif re.fullmatch(r"[a-zA-Z]+_\w+(\(\)|\[\])?", name):
                    self.assertIn(re.sub(r"\W", "", name), words)


if __name__ == "__main__":
    unittest.main()
