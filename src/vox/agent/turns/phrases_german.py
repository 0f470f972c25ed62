"""What callers say in German that matters to turn taking.

Prepositions that are also parted from verbs ("ich rufe an") may end a sentence, and are not among the open words.
"""

from vox.agent.turns.phrase_table import Phrases, phrase_set, word_set

GERMAN = Phrases(
    backchannels=phrase_set(
        "ja|ja ja|jaja|genau|okay|ok|gut|alles klar|klar|aha|ach so|achso|mhm|hm|hmm|mm|mm-hm|äh|ähm|verstehe|ich verstehe|stimmt|richtig"
        "|ah|oh|super|prima|schön|in ordnung|ja genau|ja gut|na gut"
    ),
    silencers=phrase_set(
        "stopp|stop|halt|halt stopp|moment|moment mal|einen moment|einen moment bitte|moment bitte|warte|warten sie|warten sie bitte"
        "|bitte warten|warte mal|sekunde|eine sekunde|ruhe|ruhe bitte|still|sei still|seien sie still|aufhören|hör auf|hören sie auf"
        "|genug|das reicht|es reicht|augenblick|einen augenblick"
    ),
    answers=phrase_set(
        "ja|ja bitte|ja gerne|gerne|gern|genau|richtig|stimmt|das stimmt|das ist richtig|natürlich|selbstverständlich|auf jeden fall|okay|ok"
        "|nein|nein danke|nee|nichts|nichts weiter|das war's|das war alles|das ist alles|sonst nichts|nicht wirklich|keins von beiden"
        "|danke|danke schön|dankeschön|vielen dank|danke sehr|tschüss|auf wiederhören|auf wiedersehen|hallo|guten tag|hilfe|wiederholen"
        "|abbrechen|von vorn|keine ahnung|ich weiss nicht|ich weiss es nicht|egal|beide|alle|bitte|doch"
    ),
    fillers=word_set("äh ähm hm hmm mm also na tja"),
    open_words=word_set(
        "eine einen einem einer eines der die den dem des und oder aber weil wenn als dass denn sondern obwohl damit falls ob für von zur zum"
        " beim vom im ins am ans ohne gegen durch zwischen wegen während unter über neben hinter seit bis mein meine meinen meinem meiner"
        " dein deine ihr ihre ihren ihrem sein seine seinen unser unsere unseren euer eure dieser diese dieses diesen diesem jeder jede jedes"
        " jeden kein keine keinen keinem etwa ungefähr circa sehr ganz ziemlich besonders fast nur ist sind war waren wird werden bin heisst"
        " welche welcher welches welchen wie wo wann warum wer wen wem was per pro laut trotz statt gegenüber sowie entweder weder zwar"
    ),
    open_subjects=word_set("ich wir"),
    transitive=word_set("möchte brauche suche nehme bestelle hätte will wollte würde könnte müsste sollte bräuchte reserviere"),
    modifiers=word_set(
        "gute guten gutes grosse grossen kleine kleinen neue neuen alte alten kalte warme eigene eigenen beste besten erste ersten zweite"
        " zweiten dritte dritten nächste nächsten letzte letzten andere anderen viele wenige mehr weniger"
    ),
    openers=word_set(
        "was wo wann welche welcher welches wer wen wem wessen warum wieso weshalb wie wieviel wohin woher ist sind war haben hat habt gibt"
        " kann können könnten könnte darf dürfen soll sollen wird werden würden macht machen nehmen bieten"
    ),
    endings=(
        "ich möchte", "ich möchte gerne", "ich möchte gern", "ich hätte gern", "ich hätte gerne", "ich würde gern", "ich würde gerne",
        "ich brauche", "ich suche", "einen tisch für", "wie viel", "wie viele", "wie lange", "um wie viel", "mein name ist", "ich heisse",
        "meine nummer ist", "die nummer ist", "können sie mir", "könnten sie mir", "können sie mir sagen", "könnten sie mir sagen",
        "wissen sie", "sagen sie mir", "sagen sie", "entschuldigung", "moment nein", "ich meine", "mal sehen", "was ist mit", "wie wäre es mit",
        "es geht um", "ich rufe an wegen", "wir sind", "das heisst", "und zwar", "zum beispiel",
    ),
    complete=phrase_set(
        "wie geht's|wie geht es ihnen|was ist das|wer ist da|ja bin ich|das bin ich|ja sind wir|ich auch|wir auch|mir egal|ja das ist es|und sie"
        "|was ist denn|wer sind sie|wo sind sie"
    ),
    politeness=word_set("bitte danke dann"),
    numbers=word_set(
        "null ein eins zwei zwo drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn"
        " neunzehn zwanzig einundzwanzig zweiundzwanzig dreiundzwanzig vierundzwanzig dreissig vierzig fünfzig sechzig siebzig achtzig"
        " neunzig hundert tausend"
    ),
    days=word_set(
        "heute morgen übermorgen gestern montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag vormittag mittag nachmittag"
        " abend nacht mitternacht uhr januar februar märz april mai juni juli august september oktober november dezember"
    ),
)  # fmt: skip
