import yaml
from bench.conversation.answers import AnswerTable, Said

FLOW = yaml.safe_load("""
greeting: Hello. How can I help you?
prompt: How can I help you?
follow_up: Is there anything else?
intents:
  hours:
    phrases: ["when are you open?"]
    answer: We open at noon. The kitchen closes early.
  change:
    answer: I can not see older bookings.
  cancel:
    answer: No problem. I can not see older bookings.
  booking:
    slots:
      people: {type: number, prompt: "For how many people?", invalid: "We have tables for one to twelve people."}
    confirm: A table for {people} on {day} at {time}. Is that right?
    done: Your table is booked.
  callback:
    slots:
      number: {type: phone, prompt: "Which number shall we call?"}
faq:
  - keywords: [parking, car]
    answer: You can park behind the house.
commands:
  help: {answer: "You can ask for the hours, or book a table."}
  operator: {answer: "I can ask a colleague.", then: callback}
fallback:
  prompts: ["Sorry, I did not understand that."]
  handoff: {answer: "I can not help you.", then: callback}
""")


def read(*texts):
    return AnswerTable(FLOW).read(texts)


def test_a_sentence_leads_to_the_part_of_the_flow_that_says_it():
    assert [one.target for one in read("We open at noon.", "The kitchen closes early.")] == ["hours", "hours"]
    assert [one.target for one in read("You can park behind the house.")] == ["faq:parking"]
    assert [one.target for one in read("Sorry, I did not understand that.")] == ["fallback"]


def test_sentences_come_in_the_order_in_which_they_were_said():
    said = read("You can park behind the house. For how many people?")
    assert said == [Said("faq:parking"), Said("booking", "slot", "people")]


def test_a_read_back_gives_its_values():
    [said] = read("A table for four on Friday the fifteenth of May at seven thirty in the evening.", "Is that right?")
    assert said.role == "confirm"
    assert said.values == {
        "people": "four",
        "day": "friday the fifteenth of may",
        "time": "seven thirty in the evening",
    }


def test_a_read_back_of_tomorrow_lacks_its_on():
    [said] = read("A table for two tomorrow at noon. Is that right?")
    assert said.values == {"people": "two", "day": "tomorrow", "time": "noon"}


def test_a_sentence_of_two_parts_belongs_to_both():
    [said] = read("I can not see older bookings.")
    assert said.targets == {"change", "cancel"}


def test_what_the_flow_listens_for_is_not_taken_for_what_it_says():
    assert read("When are you open?") == []


def test_words_of_no_sentence_give_nothing():
    assert read("The weather is fine.", "") == []


def test_a_part_of_a_sentence_is_not_the_sentence():
    assert read("You can park behind") == []


def test_it_knows_what_begins_behind_an_answer_and_what_asks_for_something():
    table = AnswerTable(FLOW)
    assert table.follows == {"command:operator": "callback", "handoff": "callback"}
    assert table.task_intents == {"booking", "callback"}
