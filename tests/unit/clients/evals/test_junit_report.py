import xml.etree.ElementTree as ET

from tests.unit.clients.evals.helpers_results import HOSTILE, asked, broken, failed, passed
from vox.clients.evals.junit_report import junit_xml


def test_a_case_per_scenario_with_failures_and_errors_told_apart():
    root = ET.fromstring(junit_xml([passed(), failed(), broken(), asked()]))  # noqa: S314  our own output
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    assert [case.get("name") for case in suite] == ["greets", "says the hours / aloud", "cannot connect", "capital"]
    assert suite[0].find("failure") is None
    failure, error = suite[1].find("failure"), suite[2].find("error")
    assert failure is not None
    assert "says 'noon'" in str(failure.get("message"))
    assert error is not None
    assert error.text == "refused [upgrade_refused]"
    assert "2.00s caller: when?" in (suite[1].findtext("system-out") or "")
    assert suite[3].findtext("system-out") == "Paris"


def test_whatever_was_said_the_document_is_xml():
    root = ET.fromstring(junit_xml([failed(HOSTILE)]))  # noqa: S314  our own output
    assert "<script>alert('1')</script> & \N{REPLACEMENT CHARACTER}" in (root[0][0].findtext("system-out") or "")
