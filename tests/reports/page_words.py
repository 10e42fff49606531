"""The words of a piece of HTML, as a reader meets them."""

from html.parser import HTMLParser


def words(html):
    """Return the text of a section, with tags gone and white space single."""
    found = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(html)
    return " ".join(" ".join(found).split())
