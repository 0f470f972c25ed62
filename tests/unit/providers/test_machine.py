"""What there is to spare."""

from vox.providers.machine import UNKNOWN, cores, free_memory


def test_there_is_a_core():
    assert cores() >= 1


def test_the_machine_and_its_container_both_limit(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2000 kB\n")
    assert free_memory(meminfo, tmp_path) == 2000 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 300000\n")
    assert free_memory(meminfo, tmp_path) == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(meminfo, tmp_path) == 2000 * 1024


def test_what_is_not_known_does_not_limit(tmp_path):
    assert free_memory(tmp_path / "meminfo", tmp_path) == UNKNOWN
