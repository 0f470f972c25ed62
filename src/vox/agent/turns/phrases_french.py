"""What callers say in French that matters to turn taking."""

from vox.agent.turns.phrase_table import Phrases, phrase_set, word_set

FRENCH = Phrases(
    backchannels=phrase_set(
        "oui|oui oui|ouais|d'accord|ok|okay|ah|ah oui|oh|hm|hmm|mm|mhm|euh|bien|très bien|bon|ah bon|je vois|entendu|parfait|super|exact"
        "|c'est ça|voilà|bien sûr|compris|j'ai compris|oui d'accord|ok d'accord"
    ),
    silencers=phrase_set(
        "stop|arrêtez|arrête|attendez|attends|attendez un instant|un instant|un instant s'il vous plaît|un moment|un moment s'il vous plaît"
        "|une seconde|une minute|attendez une minute|attendez une seconde|silence|taisez-vous|tais-toi|chut|ça suffit|assez|stop stop|une petite seconde"
    ),
    answers=phrase_set(
        "oui|oui merci|oui s'il vous plaît|oui bien sûr|bien sûr|exactement|c'est ça|c'est exact|c'est correct|tout à fait|absolument|d'accord|ok"
        "|non|non merci|pas vraiment|rien|rien d'autre|c'est tout|ce sera tout|non c'est tout|ni l'un ni l'autre|merci|merci beaucoup"
        "|merci bien|au revoir|bonjour|bonsoir|allô|aide|répétez|annuler|recommencer|aucune idée|je ne sais pas|peu importe|les deux|tous|si"
    ),
    fillers=word_set("euh heu ben hm hmm mm alors donc"),
    open_words=word_set(
        "le la les l un une des du de d à au aux et ou mais parce que qu car si quand lorsque comme puisque avec pour sans dans en sur sous chez"
        " vers par entre depuis pendant avant jusqu'à jusqu'au mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces"
        " chaque quelques plusieurs quel quelle quels quelles très trop assez environ presque est sont suis était sera serait dont où"
        " c'est j'ai j'aimerais je j c n tu ils on"
    ),
    transitive=word_set("voudrais voudrait voulons souhaite souhaiterais cherche réserve réserver prends prendre commander avoir faire"),
    modifiers=word_set("bon bonne grand grande petit petite nouveau nouvelle premier première deuxième dernier dernière autre autres meilleur meilleure"),
    openers=word_set(
        "que qu'est-ce quel quelle quels quelles où quand comment pourquoi combien qui est-ce est-il est-elle avez-vous êtes-vous pouvez-vous"
        " pourriez-vous puis-je peut-on y peux-tu faut-il faites-vous servez-vous acceptez-vous"
    ),
    endings=(
        "je voudrais", "j'aimerais", "je souhaite", "je souhaiterais", "j'aurais besoin", "j'ai besoin", "je cherche", "une table pour",
        "combien de", "à quelle", "quel est", "quelle est", "mon nom est", "je m'appelle", "mon numéro est", "le numéro est", "c'est pour",
        "pouvez-vous", "pourriez-vous", "pouvez-vous me", "pourriez-vous me", "pouvez-vous me dire", "pourriez-vous me dire", "dites-moi",
        "est-ce que", "qu'est-ce que", "savez-vous", "excusez-moi", "je veux dire", "attendez non", "voyons", "il y a", "nous sommes", "on sera",
        "nous serons", "par exemple", "à propos", "au sujet", "je voulais", "je vous appelle", "y a-t-il",
    ),
    complete=phrase_set("qui est-ce|qu'est-ce que c'est|comment ça va|ça va|c'est moi|oui je suis|où êtes-vous|moi aussi|c'est combien|il est quelle heure"),
    politeness=word_set("merci plaît"),
    numbers=word_set(
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf vingt vingt-deux"
        " vingt-trois vingt-quatre trente quarante cinquante soixante soixante-dix quatre-vingt quatre-vingts quatre-vingt-dix cent mille"
    ),
    days=word_set(
        "aujourd'hui demain après-demain hier lundi mardi mercredi jeudi vendredi samedi dimanche matin midi après-midi soir nuit minuit heure"
        " heures janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
    ),
)  # fmt: skip
