"""What callers say in English that matters to turn taking."""

from vox.agent.turns.phrase_table import Phrases, phrase_set, word_set

ENGLISH = Phrases(
    backchannels=phrase_set(
        "uh huh|uh-huh|uhhuh|uh|um|hm|hmm|mm|mmm|mhm|mm hm|mm-hm|mm hmm|mm-hmm|mmhmm|m-hm|ah|oh|aha|ah ha|huh|yeah|yeah yeah|yep"
        "|yup|yes|okay|ok|okay okay|right|i see|sure|all right|alright|got it|great|good|cool|nice|fine|yes yes|oh okay|yeah okay"
    ),
    silencers=phrase_set(
        "stop|stop stop|stop it|please stop|stop please|stop talking|please stop talking|wait|wait wait|wait please|please wait"
        "|wait a moment|wait a minute|wait a second|hold on|hang on|hold on a second|one moment|one moment please|just a moment"
        "|quiet|be quiet|please be quiet|silence|hush|shush|shut up|enough|that's enough|okay stop|no stop"
    ),
    answers=phrase_set(
        "yes|yes please|yeah|yep|yup|sure|of course|correct|that's correct|that's right|right|exactly|okay|ok|fine|please do|yes it is"
        "|yes that's right|yes that's correct|yes correct|that is right|that is correct|absolutely|definitely|no|no thanks"
        "|no thank you|nope|nothing|nothing else|that's all|that's it|that is all|no that's all|no that's it|not really|neither"
        "|thanks|thank you|thank you very much|bye|goodbye|good bye|bye bye|hello|hi|help|repeat|cancel|start over|no idea"
        "|i don't know|never mind|neither of them|both|all of them"
    ),
    fillers=word_set("um uh er erm uhm hmm hm mm ah eh well so like"),
    open_words=word_set(
        "a an the and or but because if when while than that's my your his her our their its this these those every each any some no"
        " of to for from with without at in on by into onto about between before after until till during near around behind under"
        " over through against per as like whether which whose very too quite really rather pretty almost just even maybe perhaps"
        " is are am was were be been being there's here's what's where's who's how's when's it's i'm we're you're they're he's she's"
        " i'd we'd you'd they'd he'd she'd i'll we'll you'll they'll i've we've you've they've let's next last another other such"
        " what're how're roughly approximately let half quarter plus minus"
    ),
    particles=word_set("in on over around by up out off about through"),
    particle_verbs=word_set("come coming came get go going walk walking drop dropping move stay call sit hang check pop turn bring log sign"),
    closing_prepositions=word_set("from for with at in on about like to of near by around after before over"),
    auxiliaries=word_set(
        "is are am was were be do does did have has had can could will would shall should may might must won't can't couldn't"
        " wouldn't shouldn't don't doesn't didn't isn't aren't wasn't weren't haven't hasn't gonna wanna"
    ),
    subjects=word_set("you i we they he she it there anyone someone that this"),
    open_subjects=word_set("i we they he she who"),
    transitive=word_set(
        "like want need have get got book reserve make take give bring order prefer cancel change move tell ask know find offer serve"
        " accept allow include cost charge recommend wonder wondering hoping looking calling trying going planning think believe say"
        " mean love hate buy sell use cover cater handle do see check confirm add remove put send show explain"
    ),
    modifiers=word_set(
        "good nice big small large little new old hot cold main private high low gluten dairy nut fresh own best cheapest whole first"
        " second third credit debit gift set roast chocolate tomato opening closing public special extra different same more less fewer"
        " several many much few enough free vegetarian"
    ),
    openers=word_set(
        "what where when which who whose why how is are am was were do does did can could will would shall should may have has isn't"
        " aren't don't doesn't can't couldn't what's where's when's who's how's what're what've what'd any anything is there are"
    ),
    object_questions=word_set("what which who how where when why what's what've what'd"),
    endings=(
        "i would like", "i'd like", "would like to", "i want to", "i need to", "a table for", "how much", "how many", "how long",
        "how far", "what kind", "what sort", "what time", "which one of", "the name is", "my name is", "my number is", "number is",
        "it's for", "there are", "there is", "we will be", "we'll be", "as well as", "i was wondering", "i wonder", "could you please",
        "can you please", "do you know", "do you think", "can you tell me", "could you tell me", "tell me", "excuse me", "no wait",
        "wait no", "actually", "i mean", "let me see", "let me think", "let me check", "what about", "how about",
    ),
    complete=phrase_set(
        "how are you|who are you|where are you|what is it|who is it|what is this|what's that|what is that|what's this|i do|i am|we are"
        "|yes i am|yes i do|yes we are|yes we do|yes there are|yes there is|no i don't|how much is it|how much is that"
        "|what time is it|how old are you|how far is it|where is it|where is that|is that so|what do you have|what have you got"
        "|what do you serve|what do you offer|what do you recommend|what would you recommend|what can i have|what can i get|do it"
        "|what can you do|what do you do|that's what i want|that's what i said|i think so"
    ),
    politeness=word_set("please thanks then"),
    numbers=word_set(
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
        " nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred"
    ),
    days=word_set(
        "today tonight tomorrow monday tuesday wednesday thursday friday saturday sunday morning afternoon evening noon midnight"
        " o'clock am pm weekend"
    ),
)  # fmt: skip
