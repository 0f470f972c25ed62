"""What systemd says is read as it is meant, whatever stands there."""

from hypothesis import given
from hypothesis import strategies as st

from vox.runtime.service_environment import ServiceEnvironment, read_environment


def test_the_variables_of_systemd_are_read():
    environment = {
        "NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7",
        "LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "vox-port:voxcore@1.socket",
    }  # fmt: skip
    assert read_environment(environment, 7) == ServiceEnvironment(
        "@notify", 3.0, ((3, "vox-port"), (4, "voxcore@1.socket"))
    )


def test_what_is_meant_for_another_process_is_left_alone():
    environment = {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8", "LISTEN_PID": "8", "LISTEN_FDS": "1"}
    assert read_environment(environment, 7) == ServiceEnvironment()


def test_a_watchdog_without_a_process_is_everyone_s_and_sockets_need_no_names():
    environment = {"WATCHDOG_USEC": "500000", "LISTEN_PID": "7", "LISTEN_FDS": "1"}
    assert read_environment(environment, 7) == ServiceEnvironment("", 0.5, ((3, "unknown"),))


@given(st.dictionaries(st.sampled_from(["WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]), st.text()))
def test_no_variable_makes_it_fail(environment: dict[str, str]):
    read = read_environment(environment, 7)
    assert read.watchdog_s is None or read.watchdog_s > 0
