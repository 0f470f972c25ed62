"""The page at the server's address: for browsers only, and without a word of its own in the markup."""

import pytest

from vox.chat.api.landing_page import HEADERS, landing_page, wants_page


@pytest.mark.parametrize(
    ("accept", "is_browser"),
    [
        (b"text/html,application/xhtml+xml,*/*;q=0.8", True),
        (b"Text/HTML", True),
        (b"*/*", False),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_a_browser_is_told_by_what_it_accepts(accept: bytes, is_browser: bool):
    assert wants_page(accept) is is_browser


@pytest.mark.parametrize(
    ("registration", "says"), [("open", "Anyone may register"), ("invite", "needs an invite"), ("closed", "closed")]
)
def test_the_page_says_how_to_register_and_where_the_documents_are(registration: str, says: str):
    page = landing_page("Ada's", registration, "http://127.0.0.1:8000").decode()
    assert says in page
    assert "http://127.0.0.1:8000/api/v1/auth/register" in page
    assert all(f'href="{path}"' in page for path in ("/docs", "/openapi.json"))


def test_names_and_hosts_are_text():
    page = landing_page("<script>1</script>", "open", 'http://x"><script>2</script>').decode()
    assert "<script" not in page
    assert "default-src 'none'" in HEADERS["content-security-policy"]
