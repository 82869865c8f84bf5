"""Makes the ePub complete for reading systems, and the same on every run."""

import os
import re
import time
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sphinx.builders.epub3 import Epub3Builder

OPF = "http://www.idpf.org/2007/opf"
DC = "http://purl.org/dc/elements/1.1/"

# https://www.w3.org/TR/epub-a11y-11/ : what the book has, not what it conforms to.
ACCESSIBILITY = [
    ("schema:accessMode", "textual"),
    ("schema:accessMode", "visual"),
    ("schema:accessModeSufficient", "textual"),
    ("schema:accessibilityFeature", "alternativeText"),
    ("schema:accessibilityFeature", "displayTransformability"),
    ("schema:accessibilityFeature", "readingOrder"),
    ("schema:accessibilityFeature", "structuralNavigation"),
    ("schema:accessibilityFeature", "tableOfContents"),
    ("schema:accessibilityHazard", "none"),
    (
        "schema:accessibilitySummary",
        "Every figure has a text alternative. "
        "The text follows the reader's fonts and colours.",
    ),
]


def in_reading_order(entries, page=None):
    """Put the headings of `page` before the pages below it."""
    if not entries:
        return []
    blocks = []
    for entry in entries:
        if not blocks or entry["level"] <= entries[0]["level"]:
            blocks.append([entry])
        else:
            blocks[-1].append(entry)
    blocks.sort(key=lambda block: urldefrag(block[0]["refuri"]).url != page)
    return [
        entry
        for head, *below in blocks
        for entry in [head, *in_reading_order(below, urldefrag(head["refuri"]).url)]
    ]


class BookEpub(Epub3Builder):
    """Sphinx's ePub builder with what EPUBCheck and Ace look for."""

    def init(self):
        super().init()
        language = self.config.epub_language
        self.html_tag = (
            self.html_tag[:-1] + f' lang="{language}" xml:lang="{language}">'
        )

    def add_css_file(self, filename, **attributes):
        """Load the ePub's own style sheet alone; the others are for HTML's widgets."""
        if filename in [own for own, _ in self.config.epub_css_files]:
            super().add_css_file(filename, **attributes)

    def _get_style_filenames(self):
        return ()  # The theme's sets colours that cannot be read on a dark page.

    def build_navlist(self, entries):
        return super().build_navlist(in_reading_order(entries))

    def build_navpoints(self, entries):
        return super().build_navpoints(in_reading_order(entries))

    def build_content(self):
        super().build_content()
        unused = set(self.files) - self.used_files()
        self.files = [name for name in self.files if name not in unused]
        self.complete_package(unused)

    def used_files(self):
        """Return the pages and every asset that they need, directly or not."""
        used = {name for name in self.files if name.endswith(self.out_suffix)}
        used.add(self.config.epub_cover[0])
        unread = list(used)
        while unread:
            name = unread.pop()
            if not name.endswith((self.out_suffix, ".css", ".svg")):
                continue
            text = (self.outdir / name).read_text(encoding="utf-8")
            for link in re.findall(
                r"""(?:href|src)="([^"]+)"|url\(['"]?([^'")]+)""", text
            ):
                path = unquote(urldefrag(link[0] or link[1]).url.partition("?")[0])
                target = os.path.normpath(PurePosixPath(name).parent / path)
                if target in self.files and target not in used:
                    used.add(target)
                    unread.append(target)
        return used

    def complete_package(self, unused):
        """Rewrite content.opf: unused items, item properties, accessibility."""
        for prefix, uri in (("", OPF), ("dc", DC)):
            ElementTree.register_namespace(prefix, uri)
        path = self.outdir / "content.opf"
        tree = ElementTree.parse(path)
        manifest = tree.find(f"{{{OPF}}}manifest")
        for item in list(manifest):
            name = unquote(item.get("href"))
            if name in unused:
                manifest.remove(item)
            elif name == self.config.epub_cover[0]:
                item.set("properties", "cover-image")
            elif name in self.files and b"<svg" in (self.outdir / name).read_bytes():
                item.set("properties", "svg")
        metadata = tree.find(f"{{{OPF}}}metadata")
        for name, text in ACCESSIBILITY:
            ElementTree.SubElement(
                metadata, f"{{{OPF}}}meta", property=name
            ).text = text
        ElementTree.indent(tree)
        tree.write(path, encoding="utf-8", xml_declaration=True)

    def build_navigation_doc(self):
        super().build_navigation_doc()
        path = self.outdir / "nav.xhtml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace('epub:type="toc"', 'epub:type="toc" role="doc-toc"')
        )

    def toc_metadata(self, level, navpoints):
        """Give toc.ncx the book's identifier; Sphinx gives an XML element's name."""
        return super().toc_metadata(level, navpoints) | {
            "uid": self.config.epub_identifier
        }

    def build_epub(self):
        """Zip the files with one date for all: SOURCE_DATE_EPOCH, or now."""
        seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
        date = time.gmtime(seconds)[:6]
        names = [
            "mimetype",
            "META-INF/container.xml",
            "content.opf",
            "toc.ncx",
            *self.files,
        ]
        with ZipFile(self.outdir / f"{self.config.epub_basename}.epub", "w") as epub:
            for name in names:
                entry = ZipInfo(name, date)
                entry.external_attr = 0o644 << 16
                # The format wants the first entry as it is.
                entry.compress_type = ZIP_STORED if name == "mimetype" else ZIP_DEFLATED
                epub.writestr(entry, (self.outdir / name).read_bytes())


def setup(app):
    app.add_builder(BookEpub, override=True)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
