"""Totals, `/health/fleet`, and the number that a cluster scales by."""

from vox.fleet.dispatch.fleet_status import autoscale_signal, fleet_status, health_fleet
from vox.fleet.dispatch.registry import Worker


def worker(worker_id, active=0, limit=5, **more) -> Worker:
    url = f"http://10.0.0.1:{8000 + int(worker_id[-1])}"
    found = Worker(worker_id, 1, 98.0, url=url, active=active, limit=limit, max_calls=limit, state="ready")
    for name, value in more.items():
        setattr(found, name, value)
    return found


def status(*workers, is_settled=True):
    return fleet_status(workers, 100.0, is_settled=is_settled)


def test_the_totals_are_sums_over_the_workers_that_are_there():
    found = status(
        worker("w-1", 3, reserved=1),
        worker("w-2", 5, unreported=0),
        worker("w-3", 4, is_stale=True),
        worker("w-4", 1, state="draining", limit=5),
        worker("w-5", 2, is_superseded=True),
        worker("w-6", 0, unreported=1, offered=1),
    )
    assert (found.active, found.reserved) == (11, 2)
    assert found.max_calls == 20
    assert found.available == 1 + 0 + 3
    assert [one.worker_id for one in found.workers] == ["w-1", "w-2", "w-3", "w-4", "w-5", "w-6"]
    assert found.workers[2].is_stale
    assert found.workers[4].state == "draining"
    assert found.workers[0].age_s == 2.0


def test_what_is_not_known_is_not_zero():
    assert not status(is_settled=False).is_known, "the workers have not had the time to come back"
    assert not status(worker("w-1"), is_settled=False).is_known, "one has come back, others may follow"
    assert not status(worker("w-1", is_stale=True)).is_known, "every one is silent"
    assert status(worker("w-1"), worker("w-2", is_stale=True)).is_known
    assert status().is_known, "a fleet of no workers has to be able to grow"


def test_the_autoscale_signal_counts_calls_reservations_queue_and_buffer():
    found = status(worker("w-1", 3, reserved=1))
    assert autoscale_signal(found, queued_due=7, buffer=2) == 13
    assert autoscale_signal(status(), queued_due=0) == 1


def test_calls_of_a_lost_worker_keep_their_place_in_the_signal():
    found = status(worker("w-1", 3), worker("w-2", 4, reserved=1, is_stale=True))
    assert found.active == 3
    assert autoscale_signal(found, queued_due=0, buffer=0) == 8


def test_an_unknown_fleet_has_no_signal():
    assert autoscale_signal(status(worker("w-1", is_stale=True)), queued_due=5) is None


def test_health_has_the_documented_fields_and_true_totals():
    found = health_fleet(
        status(worker("w-1", 3, pid=41), worker("w-2", 1, is_stale=True), worker("w-3", 2, url="not a url"))
    )
    assert found["status"] == "ok"
    assert (found["fleet_calls"], found["fleet_max"], found["fleet_available"]) == (5, 10, 5)
    first, second, third = found["workers"]
    assert (first["port"], first["calls"], first["pid"], first["stale"]) == (8001, 3, 41, False)
    assert "status" not in first
    assert (second["status"], second["stale"]) == ("unreachable", True)
    assert (third["port"], third["pid"]) == (None, None)
    assert found["servers"] == [
        {"host": "10.0.0.1", "calls": 3, "max": 5, "workers": 2, "stale": False},
        {"host": "w-3", "calls": 2, "max": 5, "workers": 1, "stale": False},
    ]


def test_health_of_an_unknown_fleet_says_so():
    assert health_fleet(status(worker("w-1", is_stale=True)))["status"] == "unknown"
    assert health_fleet(status(worker("w-1", url="http://h:99999")))["workers"][0]["port"] is None
