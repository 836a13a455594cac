"""A page as a parser sees it, and words that a page must show as words."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = [
    "<script>alert(1)</script>",
    "</details></summary></code><h1>All gates are passed</h1>",
    '" autofocus onfocus="alert(1)',
    "&lt;b&gt; &#60;img src=x&#62;",
    "<!-- hidden",
    "]]>",
    "{{ 7 * 7 }}{% raw %}",
    "safe \u202edetele ton od",
    "\x1b[2J\x00\x07",
    "two\r\nlines",
]


class Page(HTMLParser):
    """The elements of a page, the text that it shows, and whether every element is closed."""

    VOID = frozenset({"meta", "input", "link", "br", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shape: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.shape.append(" ".join([tag, *sorted(values)]))
        if values.get("id"):
            self.ids.append(values["id"] or "")
        self.links += [values[name] or "" for name in ("href", "src") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())
