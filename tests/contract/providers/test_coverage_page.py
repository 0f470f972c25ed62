"""The page that says what is covered of each driver is what is collected, and nothing is missing without a reason."""

from tests.contract.providers import coverage


def test_the_page_is_as_the_suite_and_every_gap_has_its_reason():
    page = coverage.page()
    assert "| ? |" not in page, "a driver has no test of a promise: write one, or its reason into WITHOUT"
    assert page == coverage.PAGE.read_text(encoding="utf-8"), (
        "the page is not as the suite: run python -m tests.contract.providers.coverage"
    )
    for kind in coverage.KINDS:
        for driver in coverage.drivers(kind):
            assert coverage.title(kind, driver) in page


def test_no_reason_is_given_for_what_is_tested():
    found = coverage.covered(coverage.collected())
    assert not [gap for gap in coverage.WITHOUT if gap[2] in found[gap[0], gap[1]]]
