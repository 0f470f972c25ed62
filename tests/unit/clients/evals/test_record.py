from vox.clients.evals.record import CallRecord, Line, ToolUse, TurnRecord


def test_each_turn_gets_what_fell_into_it():
    record = CallRecord(
        turns=[TurnRecord("", 0.0), TurnRecord("one", 2.0), TurnRecord("two", 5.0)],
        lines=[
            Line(-0.1, "agent", "Early."),
            Line(2.0, "agent", "Hello."),
            Line(2.0, "caller", "one"),
            Line(2.02, "agent", "First."),
            Line(5.0, "agent", "Still first."),
            Line(99.0, "agent", "Second."),
        ],
        tools=[ToolUse(3.0, "t"), ToolUse(6.0, "u")],
    )
    record.share_out()
    assert [turn.answer for turn in record.turns] == ["Early. Hello.", "First. Still first.", "Second."]
    assert [[use.name for use in turn.tools] for turn in record.turns] == [[], ["t"], ["u"]]
    assert record.agent_words() == "Early. Hello. First. Still first. Second."


def test_a_call_without_turns_is_no_problem():
    CallRecord().share_out()
