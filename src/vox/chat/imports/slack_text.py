"""Slack's markup as plain text, and its names of emoji as Unicode's. Pure."""

import html
import re
from collections.abc import Callable
from typing import Final

_MARK: Final = re.compile(r"<([^<>]{1,4096})>")
_TONE: Final = re.compile(r"::skin-tone-\d$")
_NAMES: Final = (  # noqa: SIM905  read as a table
    "+1 👍 thumbsup 👍 -1 👎 thumbsdown 👎 heart ❤️ tada 🎉 joy 😂 rofl 🤣 smile 😄 smiley 😃 grinning 😀 grin 😁 "
    "laughing 😆 satisfied 😆 slightly_smiling_face 🙂 simple_smile 🙂 wink 😉 blush 😊 heart_eyes 😍 kissing_heart 😘 "
    "thinking_face 🤔 thinking 🤔 neutral_face 😐 expressionless 😑 unamused 😒 roll_eyes 🙄 face_with_rolling_eyes "
    "🙄 sweat_smile 😅 sweat 😓 cry 😢 sob 😭 disappointed 😞 worried 😟 confused 😕 scream 😱 open_mouth 😮 astonished "
    "😲 flushed 😳 rage 😡 angry 😠 sunglasses 😎 nerd_face 🤓 innocent 😇 yum 😋 stuck_out_tongue 😛 "
    "stuck_out_tongue_winking_eye 😜 zany_face 🤪 hugging_face 🤗 shushing_face 🤫 face_with_hand_over_mouth 🤭 "
    "exploding_head 🤯 partying_face 🥳 pleading_face 🥺 melting_face 🫠 saluting_face 🫡 upside_down_face 🙃 "
    "relieved 😌 sleeping 😴 mask 😷 skull 💀 ghost 👻 robot_face 🤖 poop 💩 hankey 💩 clown_face 🤡 see_no_evil 🙈 "
    "hear_no_evil 🙉 speak_no_evil 🙊 wave 👋 raised_hands 🙌 clap 👏 pray 🙏 muscle 💪 ok_hand 👌 point_up ☝️ "
    "point_up_2 👆 point_down 👇 point_left 👈 point_right 👉 v ✌️ crossed_fingers 🤞 metal 🤘 handshake 🤝 "
    "raised_hand ✋ hand ✋ fist ✊ facepunch 👊 punch 👊 eyes 👀 brain 🧠 writing_hand ✍️ facepalm 🤦 face_palm 🤦 "
    "shrug 🤷 man-shrugging 🤷‍♂️ woman-shrugging 🤷‍♀️ man-facepalming 🤦‍♂️ woman-facepalming 🤦‍♀️ "
    "heavy_check_mark ✔️ white_check_mark ✅ ballot_box_with_check ☑️ x ❌ heavy_plus_sign \N{HEAVY PLUS SIGN} heavy_minus_sign \N{HEAVY MINUS SIGN} "
    "question ❓ exclamation ❗ heavy_exclamation_mark ❗ warning ⚠️ no_entry ⛔ no_entry_sign 🚫 100 💯 fire 🔥 "
    "sparkles ✨ star ⭐ star2 🌟 zap ⚡ boom 💥 rocket 🚀 bulb 💡 bell 🔔 mega 📣 loudspeaker 📢 pushpin 📌 paperclip 📎 "
    "memo 📝 pencil 📝 book 📖 books 📚 calendar 📆 date 📅 chart_with_upwards_trend 📈 chart_with_downwards_trend 📉 "
    "bar_chart 📊 lock 🔒 unlock 🔓 key 🔑 hammer 🔨 wrench 🔧 gear ⚙️ bug 🐛 computer 💻 phone ☎️ email 📧 envelope ✉️ "
    "package 📦 gift 🎁 balloon 🎈 confetti_ball 🎊 trophy 🏆 medal 🏅 dart 🎯 coffee ☕ tea 🍵 beer 🍺 beers 🍻 "
    "wine_glass 🍷 pizza 🍕 cake 🍰 birthday 🎂 cookie 🍪 popcorn 🍿 taco 🌮 apple 🍎 dog 🐶 cat 🐱 unicorn_face 🦄 "
    "unicorn 🦄 penguin 🐧 snake 🐍 turtle 🐢 octopus 🐙 crab 🦀 sunny ☀️ rain_cloud 🌧️ snowflake ❄️ rainbow 🌈 "
    "earth_americas 🌎 earth_africa 🌍 earth_asia 🌏 christmas_tree 🎄 purple_heart 💜 blue_heart 💙 green_heart 💚 "
    "yellow_heart 💛 orange_heart 🧡 black_heart 🖤 white_heart 🤍 broken_heart 💔 two_hearts 💕 sparkling_heart 💖 "
    "hourglass ⌛ hourglass_flowing_sand ⏳ stopwatch ⏱️ alarm_clock ⏰ soon 🔜 new 🆕 ok 🆗 arrow_up ⬆️ arrow_down "
    "⬇️ arrow_left ⬅️ arrow_right ➡️ one 1️⃣ two 2️⃣ three 3️⃣ four 4️⃣ five 5️⃣ red_circle 🔴 "
    "large_blue_circle 🔵 large_green_circle 🟢 white_circle ⚪ black_circle ⚫ musical_note 🎵 notes 🎶 headphones "
    "🎧 video_game 🎮 soccer ⚽ basketball 🏀 checkered_flag 🏁 construction 🚧 rotating_light 🚨 ship 🚢 airplane ✈️ "
    "car 🚗 bike 🚲 house 🏠 office 🏢 moneybag 💰 dollar 💵 gem 💎 crown 👑 tophat 🎩 eyeglasses 👓 man 👨 woman 👩 baby "
    "👶 "
).split()
_EMOJI: Final[dict[str, str]] = dict(zip(_NAMES[::2], _NAMES[1::2], strict=True))


def emoji_of(name: str) -> str:
    """The emoji that a name means; the name itself where it is the community's own, or not known here."""
    bare = _TONE.sub("", name)
    return _EMOJI.get(bare, bare)


def plain_text(text: str, person: Callable[[str], str]) -> str:
    """A message's text without markup.

    Args:
        text: as Slack stores it: links and mentions in angle brackets, three characters escaped.
        person: gives the name of a person's id; empty where it is not known.
    """
    if "<" in text:
        text = _MARK.sub(lambda found: _meaning(found[1], person), text)
    return html.unescape(text) if "&" in text else text


def _meaning(mark: str, person: Callable[[str], str]) -> str:
    target, _, label = mark.partition("|")
    match target[:1]:
        case "@":
            return "@" + (person(target[1:]) or label or target[1:])
        case "#":
            return "#" + (label or target[1:])
        case "!":
            return "@" + (label or target[1:].partition("^")[0]).lstrip("@")
        case _:
            return f"{label} ({target})" if label and label not in target else target.removeprefix("mailto:")
