"""What workers say, and the table that people see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.operations.reports import Counts, Row, WorkerReport, as_json, read_counts, read_fleet, read_report, table

READY = WorkerReport(worker_calls=3, worker_max=8, reserved=1, state="ready", worker_pid=41, generation=7)


@pytest.mark.parametrize(
    ("report", "free"),
    [
        (READY, 4),
        (WorkerReport(worker_calls=3, worker_max=8, limit=5, state="ready"), 2),
        (WorkerReport(worker_calls=9, worker_max=8, state="full"), 0),
        (WorkerReport(worker_calls=0, worker_max=8, state="draining"), 0),
        (WorkerReport(), 0),
    ],
)
def test_free_slots_are_those_that_a_call_would_get(report: WorkerReport, free: int):
    assert report.free == free


def test_a_worker_s_answer_is_read_and_unknown_fields_are_left():
    body = b'{"status":"ok","worker_calls":3,"worker_max":8,"worker_pid":41,"state":"ready","x":{}}'
    assert read_report(body) == WorkerReport(worker_calls=3, worker_max=8, worker_pid=41, state="ready")


@given(st.binary())
def test_no_answer_makes_it_fail(body: bytes):
    assert read_report(body) is None or isinstance(read_report(body), WorkerReport)
    read_counts(body.decode("latin-1"))


def test_failures_and_calls_are_counted_from_the_metrics():
    text = """
# HELP vox_agent_calls_admitted_total Calls taken
vox_agent_calls_admitted_total 40.0
stt_errors_total{error_type="timeout",session_id="",stage="stt",model=""} 2.0
llm_errors_total{error_type="x y"} 1.0
tts_errors_total nonsense
http_requests_total{method="GET",route="ws",status_code="Internal Server Error"} 4.0
http_requests_total{method="GET",route="ws",status_code="Service Unavailable"} 9.0
"""
    assert read_counts(text) == Counts(40, 7)


def test_counts_of_a_new_process_begin_anew():
    assert Counts(50, 3).since(Counts(40, 1)) == Counts(10, 2)
    assert Counts(5, 1).since(Counts(40, 1)) == Counts(5, 1)


def test_the_table_shows_each_worker_and_the_sum():
    lines = table(
        [
            Row("127.0.0.1:8001", READY),
            Row("127.0.0.1:8002", None, "ConnectError"),
            Row("1/38", WorkerReport(state="draining", worker_calls=2)),
        ]
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["WORKER", "STATE", "CALLS", "MAX", "FREE", "GENERATION", "PID"],
        ["127.0.0.1:8001", "ready", "3", "8", "4", "7", "41"],
        ["127.0.0.1:8002", "unreachable:", "ConnectError", "-", "-", "-", "-", "-"],
        ["1/38", "draining", "2", "-", "-", "-", "-"],
        ["total", "2", "of", "3", "5", "8", "4"],
    ]


def test_programs_get_the_same():
    assert as_json(Row("a:1", None, "ConnectError")) == {
        "address": "a:1", "state": "unreachable", "problem": "ConnectError",
    }  # fmt: skip
    assert as_json(Row("a:1", READY))["free"] == 4


def test_a_bridge_s_workers_are_rows_and_a_silent_one_says_for_how_long():
    body = b"""{"status": "ok", "fleet_calls": 3, "workers": [
        {"id": "w-1", "port": 8001, "calls": 3, "max": 8, "reserved": 1, "limit": 6, "state": "ready", "pid": 41,
         "generation": 7, "stale": false},
        {"id": "w-2", "calls": 2, "max": 8, "stale": true, "age_s": 12.4},
        {"id": "", "url": "http://10.0.0.2", "calls": 1, "max": 4}]}"""
    known, silent, polled = read_fleet(body) or []
    assert known.report == WorkerReport(3, 8, 1, 6, 41, "w-1", "ready", 7)
    assert known.report is not None
    assert known.report.free == 2
    assert (silent.address, silent.report, silent.problem) == ("w-2", None, "not heard for 12 s")
    assert (polled.address, polled.report) == ("http://10.0.0.2", WorkerReport(1, 4))


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"workers": 1}', b"\xff"])
def test_what_is_no_bridge_s_answer_is_none(body: bytes):
    assert read_fleet(body) is None
