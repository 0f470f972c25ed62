import json

from bench.conversation.event_log import EventLog


def line(call, who, text, answer=""):
    return json.dumps({"call": call, "who": who, "text": text, "answer": answer}) + "\n"


def test_events_are_found_by_call_while_the_file_grows(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    assert log.of("a").agent == []
    with path.open("w") as file:
        file.write(line("a", "agent", "Hello.", "1") + line("b", "caller", "hi") + line("a", "agent", "Yes.", "2")[:10])
        file.flush()
        assert log.of("a").agent == ["Hello."]
        file.write(line("a", "agent", "Yes.", "2")[10:])
        file.flush()
        assert (log.of("a").agent, log.of("a").answers) == (["Hello.", "Yes."], ["1", "2"])
    assert log.of("b").caller == ["hi"]
    log.close()
