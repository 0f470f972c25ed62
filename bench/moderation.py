"""What the word filter and the other rules cost: CPU microseconds a message, by the number of words.

    nice -n 5 .venv/bin/python bench/moderation.py

Pure CPU time of one thread, the best of five rounds; no server, no network.
"""

import random
import time

from vox.chat.events.ids import FeedId
from vox.chat.features.automod.rules import Block, Definition, Links, Mentions, Patterns, Trigger, Words
from vox.chat.features.automod.ruleset import Author, Ruleset, Sample

TEXTS = {
    "short, 43 characters": "ok, see you tomorrow at the usual place then",
    "usual, 98 characters": "Hello everyone, I just wanted to say that the meeting is at 10 o'clock and we shouldn't be late :)",
    "with a link, 90": "look at this https://example.org/articles/2026/a-long-title and tell me what you think, ok?",
    "Cyrillic, 95": "Привет всем, встреча сегодня в десять часов утра, не опаздывайте пожалуйста, это важно для всех",
    "disguised, 60": "y0u 4re 4 b.a.d p e r s o n!!! 1 d0n't l1ke iiiit at @ll ok",
    "longest, 4000": "The quick brown fox jumps over the lazy dog, and it isn't even 9:30 yet. " * 55,
}
ROUNDS, REPEATS = 5, 400


def word_rule(count: int, randomness: random.Random) -> Words:
    letters = "etaoinshrdlcumwfgypbvk"
    return Words(words=["".join(randomness.choices(letters, k=randomness.randint(4, 9))) for _ in range(count)])


def microseconds(ruleset: Ruleset, text: str) -> float:
    sample, author, feed = Sample(text), Author(), FeedId(1)
    repeats = REPEATS if len(text) < 1000 else REPEATS // 20
    best = float("inf")
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(repeats):
            ruleset.hits(sample, author, feed)
        best = min(best, (time.process_time() - before) / repeats)
    return best * 1e6


def rules_of(*triggers: Trigger) -> Ruleset:
    return Ruleset(
        {number: Definition(name="r", trigger=trigger, actions=[Block()]) for number, trigger in enumerate(triggers)}
    )


def main() -> None:
    randomness = random.Random(1)  # noqa: S311  the same words each time
    rulesets: dict[str, Ruleset] = {}
    for count in (10, 1000, 5000):
        before = time.process_time()
        rulesets[f"{count} words"] = rules_of(word_rule(count, randomness))
        print(f"compiling {count} words: {(time.process_time() - before) * 1000:.1f} ms")
    rulesets["1000 words, links, mentions"] = rules_of(
        word_rule(1000, randomness), Links(deny=["evil.example"] * 100, invites=True), Mentions(most=5)
    )
    rulesets["20 expressions"] = rules_of(Patterns(patterns=[rf"(?i)b{n}+uy\s+now" for n in range(20)]))
    for name, text in TEXTS.items():
        print(f"\n{name}")
        for label, ruleset in rulesets.items():
            print(f"  {label:30} {microseconds(ruleset, text):8.1f} µs")


if __name__ == "__main__":
    main()
