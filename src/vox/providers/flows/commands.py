"""The universal commands as they are where a flow does not say otherwise: what they do and how they are said."""

from collections.abc import Mapping
from typing import Any, Final

USUAL_COMMANDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "stop": {"answer": "Okay."},
    "start_over": {"answer": "All right, from the beginning.", "confirm": "Shall I drop this and start again?"},
    "goodbye": {"answer": "Good bye.", "confirm": "Shall I end the call?", "end": True},
}
"""What a command does where the flow does not say otherwise."""

DEFAULT_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "stop": ("stop [it | talking]", "be quiet", "wait [a moment]", "hold on", "one moment [please]"),
    "repeat": ("[please] repeat [that]", "[please] say (that | it) again", "what did you say", "once more", "pardon"),
    "help": ("help", "help me", "what can (i | you) (say | do)", "what are my options"),
    "start_over": (
        "start (over | again)",
        "cancel [it | that | this]",
        "never mind",
        "forget it",
        "from the beginning",
    ),
    "goodbye": (
        "good bye",
        "goodbye",
        "bye [bye]",
        "(that's | that was) (all | it | everything)",
        "no (thanks | thank you)",
    ),
    "operator": ("operator", "[can i] (speak | talk) (to | with) (someone | somebody | a human | a person | an agent)"),
}
"""How the universal commands are said where the flow does not say otherwise."""

DEFAULT_EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "stop": ("shut up", "quiet", "enough", "stop talking", "just a second", "hang on", "give me a minute"),
    "repeat": (
        "sorry", "what", "sorry what was that", "I did not catch that", "I did not hear you", "I did not get that",
        "come again", "excuse me", "can you repeat that", "could you say that again", "say again", "one more time please",
        "can you speak more slowly", "what was the last thing you said", "I did not understand you", "I missed that, what did you say", "beg your pardon", "what was that", "say that again please", "could you repeat", "I could not hear that",
    ),
    "help": (
        "what can you do", "what can I ask", "what can you help me with", "how does this work", "I need help",
        "can you help me", "what do you know", "which questions can you answer", "what are you able to do",
        "I have a question", "I do not know what to say", "what is possible here", "so what is it you do", "how can you help me", "what do you offer", "what services do you have", "what else can you tell me", "tell me what you can do",
    ),
    "start_over": (
        "let us start again", "I changed my mind", "I do not want that any more", "forget about it", "drop it",
        "stop the booking", "leave it", "begin again", "I want to cancel this",
    ),
    "goodbye": (
        "see you", "see you later", "bye then", "that is all thank you", "I am done", "I have to go", "have a nice day bye",
        "nothing else thanks", "no that is everything", "hang up", "end the call", "that will be all",
    ),
    "operator": (
        "I want to speak to a person", "can I talk to a real person", "let me talk to a human", "put me through to someone",
        "connect me with an employee", "I want to speak with a member of staff", "is there a human there",
        "I do not want to talk to a machine", "transfer me", "can you get me a colleague", "give me a real human being",
        "can I speak to a person who works there", "is there anybody else I can talk to", "I would rather speak with staff", "get me your boss", "a human please", "put me through to a colleague of yours", "I want a real person",
    ),
}  # fmt: skip
"""Further ways to say them, for the comparison by meaning."""
