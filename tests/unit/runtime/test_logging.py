"""Logs: parseable lines, levels, context, hidden secrets."""

import io
import json
import logging
import logging.config
import subprocess
import sys
from typing import Any

import httpx2
import openai
import pytest
import uvicorn.config

from vox.errors import UsageError
from vox.runtime.logging import bound_fields, configure, get_logger, looks_secret, take_over_uvicorn


def written(level, use, *, as_json=True) -> list[Any]:
    stream = io.StringIO()
    configure(level, as_json, stream)
    use(get_logger("vox.test"))
    return [json.loads(line) if as_json else line for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_message_and_fields():
    (line,) = written(
        "info",
        lambda log: log.warning(
            "late frame",
            late_ms=21.5,
            data=b"\x00",
            what={
                1,
            },
        ),
    )
    assert line["ts"].startswith("20")
    assert line["ts"].endswith("Z")
    assert (line["level"], line["msg"], line["late_ms"], line["logger"]) == ("warn", "late frame", 21.5, "vox.test")


def test_bound_fields_are_on_every_line_of_the_block_and_gone_after_it():
    def use(log):
        with bound_fields(call_id="call_1"):
            log.info("inside")
        log.info("outside")

    inside, outside = written("info", use)
    assert inside["call_id"] == "call_1"
    assert "call_id" not in outside


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warn", 2), ("warning", 2), ("ERROR", 1)])
def test_a_level_hides_what_is_below_it(level, shown):
    def use(log):
        log.debug("a")
        log.info("b")
        log.warning("c")
        log.error("d")

    assert len(written(level, use)) == shown


def test_an_unknown_level_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        configure("loud")
    assert "debug, info, warn, error" in str(caught.value)


def test_records_of_other_libraries_take_the_same_form():
    (line,) = written("info", lambda _log: logging.getLogger("some.library").warning("lost %d", 3))
    assert (line["level"], line["msg"], line["logger"]) == ("warn", "lost 3", "some.library")


def test_the_noise_of_connections_is_only_there_at_debug():
    def use(_log):
        logging.getLogger("uvicorn.error").info("connection open")
        logging.getLogger("picows.client").debug("connected")

    assert written("info", use) == []
    assert len(written("debug", use)) == 2


def test_each_check_of_a_webrtc_connection_is_only_there_at_debug():
    def use(_log):
        logging.getLogger("aioice.ice").info("Connection(0) Check CandidatePair(...) State.FROZEN -> State.WAITING")

    assert written("info", use) == []
    assert len(written("debug", use)) == 1


def test_what_libraries_write_out_of_conversations_is_not_there_even_at_debug():
    """Their lines pass no redaction, and a card number is redacted in ours while a recording is paused."""

    def use(_log):
        transport = httpx2.MockTransport(lambda _request: httpx2.Response(400))
        http = httpx2.Client(transport=transport)
        client = openai.OpenAI(api_key="none", max_retries=0, http_client=http)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "my card is 4111"}])
        logging.getLogger("websockets.client").debug("> TEXT '%s'", "4111")
        logging.getLogger("botocore.endpoint").debug("Making request with params: %s", {"Text": "4111"})
        logging.getLogger("websockets.client").info("connection lost")

    lines = written("debug", use)
    assert "4111" not in json.dumps(lines)
    assert [line["msg"] for line in lines if line["logger"].startswith("websockets")] == ["connection lost"]


def test_secrets_are_masked_by_key_and_inside_text():
    def use(log):
        log.info("a", api_key="k1", headers={"Authorization": "k2", "x": "y"}, accounts=[{"auth_token": "k3"}])
        log.info("b", url="ws://h/ws?api_key=k4&rtvi=1&token=k5", header="Bearer k6k6k6")
        logging.getLogger("uvicorn.error").error('"WebSocket /ws?token=k7" [accepted]')
        log.info("c", max_tokens=5, token=None)

    lines = written("info", use)
    assert "k1" not in (text := json.dumps(lines))
    assert not any(f"k{number}" in text for number in range(1, 8))
    assert lines[0]["headers"]["x"] == "y"
    assert "rtvi=1" in lines[1]["url"]
    assert lines[3]["max_tokens"] == 5


def test_headers_that_a_library_writes_out_are_masked_too():
    def use(_log):
        server = logging.getLogger("uvicorn.error")
        server.debug("< x-api-key: k1")
        server.debug("< authorization: Bearer k2.k2")
        server.debug("< Authorization: Basic azM=")
        server.debug("< cookie: session=k4; other=k5")
        server.debug("< host: example.test")

    text = json.dumps(written("debug", use))
    assert not any(secret in text for secret in ("k1", "k2", "azM", "k4", "k5"))
    assert "host: example.test" in text


def test_passwords_and_signatures_in_addresses_are_masked():
    def use(log):
        log.info("a", error="cannot reach redis://:k1@redis:6379/0", place="postgres://vox:k2@db/calls?sslmode=disable")
        log.info("b", url="wss://transcribe/stream?X-Amz-Signature=k3&language-code=en", page="https://h:8080/a@b")

    lines = written("info", use)
    assert lines[0]["error"] == "cannot reach redis://:***@redis:6379/0"
    assert lines[0]["place"] == "postgres://vox:***@db/calls?sslmode=disable"
    assert lines[1]["url"] == "wss://transcribe/stream?X-Amz-Signature=***&language-code=en"
    assert lines[1]["page"] == "https://h:8080/a@b"


def test_what_looks_secret():
    for key in ("api_key", "X-API-Key", "token", "auth_token", "authorization", "PASSWORD", "client_secret"):
        assert looks_secret(key)
    for key in ("call_id", "path", "port", "author"):
        assert not looks_secret(key)


def test_personal_data_is_written_at_debug_only():
    def use(log):
        log.info("heard", **{"pii.text": "my name is"})

    assert "pii.text" not in written("info", use)[0]
    assert written("debug", use)[0]["pii.text"] == "my name is"


def test_an_exception_stays_inside_its_json_line():
    def use(log):
        try:
            raise RuntimeError("boom")  # noqa: TRY301  the point of the test
        except RuntimeError:
            log.exception("failed", step="x")

    (line,) = written("info", use)
    assert line["level"] == "error"
    assert "RuntimeError: boom" in line["exception"]


def test_text_is_one_line_with_quoted_values():
    (line,) = written("info", lambda log: log.info("call ended", reason="hang up", code=1000), as_json=False)
    assert "INFO  call ended" in line
    assert "reason='hang up' code=1000" in line


def test_lines_of_a_uvicorn_started_by_hand_take_the_same_form(capsys: pytest.CaptureFixture[str]):
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(one, one.handlers[:], one.propagate, one.level) for one in loggers]
    try:
        logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
        configure("info", json=True, stream=stream)
        take_over_uvicorn()
        logging.getLogger("uvicorn.access").info('"GET /gateway?token=%s HTTP/1.1" 200', "abc")
        assert '"GET /gateway?token=***' in json.loads(stream.getvalue())["msg"]
        assert capsys.readouterr().out == ""
    finally:
        for one, handlers, propagate, level in before:
            one.handlers[:], one.propagate = handlers, propagate
            one.setLevel(level)


@pytest.mark.parametrize(
    "odd", ["half a pair \ud83d", 2**70, {3: "three", None: "none"}, float("nan"), {"deep": {"ids": {1, 2}}}, object()]
)
def test_every_value_makes_a_line_that_a_parser_takes(odd):
    (line,) = written("info", lambda log: log.info("odd", value=odd))
    assert line["msg"] == "odd"
    assert "value" in line


CRASHES = """
import sys, threading, warnings
from vox.runtime.logging import configure
configure(json=True)
warnings.warn("an old\\nway", UserWarning)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("the end, token=abcdef")
"""


def test_crashes_and_warnings_are_lines_like_any_other():
    done = subprocess.run([sys.executable, "-c", CRASHES], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["warn", "error", "error"]
    assert "UserWarning: an old" in lines[0]["msg"]
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert "RuntimeError: the end" in lines[2]["exception"]
    assert "abcdef" not in done.stderr
    assert done.returncode == 1
