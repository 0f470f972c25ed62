import json

from tests.unit.clients.evals.helpers_results import asked, broken, failed, passed
from vox.clients.evals.json_report import results_json


def test_a_question_to_the_model_has_the_originals_keys_only():
    assert json.loads(results_json([asked()], {})) == [
        {"name": "capital", "pass": True, "duration_secs": 0.3, "output": "Paris"}
    ]


def test_a_call_has_its_turns_tools_and_tokens():
    [entry] = json.loads(results_json([failed()], {"says the hours / aloud": "audio/1.wav"}))
    assert entry["output"] == "Hello. closed on Sunday"
    assert entry["error"] == "turn 1: says 'noon'; the agent said 'closed on Sunday'"
    assert entry["tokens"] == {"prompt": 120, "completion": 8}
    assert entry["tools"][0]["arguments"] == {"day": "closed on Sunday"}
    assert entry["turns"][1]["response_secs"] == 0.812
    assert (entry["cost"], entry["audio"], entry["ended_by"]) == (0.00013, "audio/1.wav", "agent")
    assert entry["checks"][0]["pass"] is False


def test_what_could_not_be_judged_says_why():
    entries = json.loads(results_json([broken(), passed()], {}))
    assert [(entry["pass"], entry.get("error")) for entry in entries] == [
        (False, "refused [upgrade_refused]"),
        (True, None),
    ]
