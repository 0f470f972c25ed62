import pytest
from starlette.responses import Response

from tests.unit.http.asgi import Sent, drive, scope_of
from vox.http.static_files import StaticFolder

POLICY = "default-src 'self'"


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "page"
    (inside / "below").mkdir(parents=True)
    (inside / "index.html").write_text("<p>page")
    (inside / "app.js").write_text("app()")
    (inside / "below" / "deep.js").write_text("deep()")
    (tmp_path / "secret.py").write_text("SECRET")
    return StaticFolder(inside)


async def sent(response: Response | None) -> Sent:
    assert response is not None
    return await drive(response, scope_of("GET", "/"))


async def test_the_index_is_the_page(folder):
    answer = await sent(folder.page(POLICY))
    assert (answer.status, answer.body) == (200, b"<p>page")
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_file_beside_it_is_an_asset(folder):
    answer = await sent(folder.asset("app.js", POLICY))
    assert (answer.status, answer.body) == (200, b"app()")
    assert "javascript" in answer.headers["content-type"]


async def test_page_and_assets_carry_the_same_security_headers(folder):
    for response in (folder.page(POLICY), folder.asset("app.js", POLICY)):
        headers = (await sent(response)).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        assert headers["etag"]


@pytest.mark.parametrize(
    "name",
    ["index.html", "other.js", "below", "deep.js", "../secret.py", "/etc/passwd", "..", ".", "", "a/../../secret.py"],
)
def test_nothing_else_is_given_away(folder, name):
    assert folder.asset(name, POLICY) is None
