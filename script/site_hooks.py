"""Hooks of MkDocs for the documentation site.

Pages link to schemas, tests and modules as they do on GitHub. In the site a link to a file outside
docs/ leads to a copy of it below files/; a link to a folder becomes its text, since a site has no
listing of one. A page that would ask another host for anything ends the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = re.compile(
    r"""<(?!a\b)[^>]*\b(?:src|href|srcset|data)=["']?(?:https?:)?//[^>]*>|@import[^;]*//|url\([^)]*//"""
)
"""An element other than a link that names a resource of another host, or a style that does."""
MENDED = {
    # A dialog needs a name.
    ' data-md-component="search" role="dialog"': (
        ' data-md-component="search" role="dialog" aria-label="Search"'
    ),
}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((\.\.?/[^)\s]+)\)")


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that leave docs/."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def rewritten(link: re.Match[str]) -> str:
        label, target = link.groups()
        leads_to = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
        if leads_to.startswith("docs/"):
            return link[0]
        if (ROOT / leads_to).is_dir():
            return str(label)
        copy = f"files/{leads_to}.txt" if leads_to.endswith(".md") else f"files/{leads_to}"
        if files.get_file_from_path(copy) is None:
            # A copy of a page would be a page of the site, and none that the navigation has.
            content = (ROOT / leads_to).read_bytes()
            files.append(File.generated(config, copy, content=content))
        return f"[{label}]({posixpath.relpath(f'docs/{copy}', folder)})"

    return LINK.sub(rewritten, text)


def on_post_page(output: str, *, page: Page, **_: object) -> str:
    """Mend what the theme keeps from assistive technology; refuse a resource of another host.

    Raises:
        PluginError: there is one.
    """
    if found := ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri} asks another host: {found[0]}")
    for theirs, ours in MENDED.items():
        output = output.replace(theirs, ours)
    return output
