from datetime import UTC, datetime
from html.parser import HTMLParser

from tests.unit.clients.evals.helpers_results import HOSTILE, asked, broken, failed, passed
from vox.clients.evals.html_report import html_report

MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(*results: object, **audio: str) -> Tags:
    return Tags(html_report(results, audio, MADE))  # pyright: ignore[reportArgumentType]


def test_the_page_says_how_many_passed_and_opens_what_failed():
    read = page(passed(), failed(), broken(), asked())
    assert "2 of 4 scenarios passed" in read.text
    assert "2026-01-02 03:04 UTC" in read.text
    assert [("open" in attributes) for tag, attributes in read.tags if tag == "details"] == [False, True, True, False]
    for shown in (
        "closed on Sunday",
        "0.81 s",
        "look_up(day: closed on Sunday) → ok",
        "128 tokens",
        "refused",
        "Paris",
    ):
        assert shown in read.text


def test_recordings_can_be_played_from_beside_the_page():
    read = Tags(html_report([failed()], {"says the hours / aloud": 'audio/a "b".wav'}, MADE))
    assert [attributes["src"] for tag, attributes in read.tags if tag == "audio"] == ["audio/a%20%22b%22.wav"]


def test_nothing_that_was_said_becomes_markup_and_nothing_is_loaded_from_elsewhere():
    result = failed(HOSTILE)
    result.name = result.error = HOSTILE
    read = page(result)
    assert "script" not in {tag for tag, _ in read.tags}
    assert not {tag for tag, _ in read.tags} & {"link", "img", "iframe"}
    [policy] = [attributes["content"] for _, attributes in read.tags if attributes.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'")
