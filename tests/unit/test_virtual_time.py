"""What the rule against waiting takes for virtual time."""

import ast

import pytest

from tests.virtual_time import on_real_time


def waits(text: str) -> list[int]:
    return sorted(
        node.lineno
        for node in on_real_time(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sleep"
    )


@pytest.mark.parametrize(
    "text",
    [
        "async def test_a(virtual_loop):\n    await sleep(1)",
        "async def test_a(*, virtual_clock):\n    async def inner():\n        await sleep(1)",
        "@usefixtures('virtual_loop')\nasync def test_a():\n    await sleep(1)",
        "pytestmark = pytest.mark.usefixtures('virtual_loop')\nasync def test_a():\n    await sleep(1)",
        "@usefixtures('virtual_loop')\nclass TestA:\n    async def test_a(self):\n        await sleep(1)",
        "def test_a():\n    async def main():\n        await sleep(1)\n    run_virtual(main())",
        "@pytest.fixture\ndef it(virtual_clock): ...\nasync def test_a(it):\n    await sleep(1)",
        "async def soon():\n    await sleep(1)\nasync def test_a(virtual_loop):\n    await soon()",
        "class Line:\n    async def wait(self):\n        await sleep(1)\nasync def test_a(virtual_loop, line):\n    await line.wait()",
    ],
)
def test_what_runs_on_virtual_time_may_wait(text: str):
    assert waits(text) == []


def test_one_test_on_virtual_time_excuses_no_other():
    assert waits("async def test_a(virtual_loop):\n    await sleep(1)\nasync def test_b():\n    await sleep(1)") == [4]


def test_a_helper_of_both_kinds_of_test_is_on_real_time():
    helper = "async def soon():\n    await sleep(1)\n"
    users = "async def test_a(virtual_loop):\n    await soon()\nasync def test_b():\n    await soon()"
    assert waits(helper + users) == [2]
    assert waits(helper) == [2], "nothing is known of who calls it"
