"""What callers say in Spanish that matters to turn taking."""

from vox.agent.turns.phrase_table import Phrases, phrase_set, word_set

SPANISH = Phrases(
    backchannels=phrase_set(
        "sí|sí sí|ya|ajá|vale|de acuerdo|ok|okay|bien|muy bien|claro|entiendo|ya veo|entendido|perfecto|exacto|eso es|hm|hmm|mm|mhm|eh|ah|oh"
        "|bueno|está bien|genial|sí claro|ah vale|ah sí|correcto"
    ),
    silencers=phrase_set(
        "para|pare|alto|stop|espera|espere|espere por favor|espera un momento|espere un momento|un momento|un momento por favor|un segundo"
        "|un minuto|espera un segundo|silencio|calla|cállate|cállese|basta|ya basta|suficiente|momento|un momentito"
    ),
    answers=phrase_set(
        "sí|sí por favor|sí claro|claro|por supuesto|exacto|exactamente|correcto|así es|eso es|es correcto|vale|de acuerdo|ok|está bien|no"
        "|no gracias|nada|nada más|eso es todo|es todo|no eso es todo|no mucho|ninguno|ninguno de los dos|gracias|muchas gracias|adiós"
        "|hasta luego|hola|buenos días|buenas tardes|buenas noches|ayuda|repita|repite|cancelar|empezar de nuevo|ni idea|no lo sé|no sé"
        "|da igual|los dos|ambos|todos"
    ),
    fillers=word_set("eh este pues hm hmm mm em"),
    open_words=word_set(
        "el la los las un una unos unas de del a al y e o u pero porque que si cuando como aunque con para por sin en sobre entre hasta desde"
        " hacia durante según mi mis tu tus su sus nuestro nuestra nuestros nuestras este esta estos estas ese esa esos esas cada algún alguna"
        " ningún ninguna qué cuál cuáles cuánto cuánta cuántos cuántas muy tan casi unos aproximadamente es son soy era será sería está están"
        " quién dónde cuándo cómo cuyo cuya donde mientras sino ni"
    ),
    transitive=word_set("quiero quisiera querría queremos necesito necesitamos busco reservar pedir tener hacer comprar prefiero deseo"),
    modifiers=word_set("buen buena gran primer primera segundo segunda tercer tercera nuevo nueva último última otro otra otros otras mejor mejores"),
    openers=word_set(
        "qué cuál cuáles cuándo dónde cómo quién quiénes cuánto cuánta cuántos cuántas adónde hay tienen tiene puedo puede pueden podría podrían"
        " podemos está están es son hacen hace aceptan sirven por"
    ),
    endings=(
        "me gustaría", "quisiera", "quiero", "necesito", "una mesa para", "cuánto cuesta", "cuánto cuestan", "a qué", "qué tipo", "me llamo",
        "mi nombre es", "mi número es", "el número es", "es para", "me puede", "me podría", "puede decirme", "podría decirme",
        "me puede decir", "me podría decir", "dígame", "sabe", "sabe si", "disculpe", "perdone", "o sea", "quiero decir", "no espera", "a ver",
        "vamos a ver", "somos", "seremos", "vamos a ser", "por ejemplo", "qué tal si", "llamo por", "llamo para", "se trata de", "hay que",
    ),
    complete=phrase_set("qué es|quién es|qué es eso|cómo está|cómo están|dónde están|dónde está|cuánto es|qué hora es|yo también|soy yo|cuál es|cuánto cuesta|cuánto cuestan"),
    politeness=word_set("gracias favor entonces"),
    numbers=word_set(
        "cero un uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho"
        " diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco treinta cuarenta cincuenta sesenta setenta ochenta noventa"
        " cien ciento mil"
    ),
    days=word_set(
        "hoy mañana pasado ayer lunes martes miércoles jueves viernes sábado domingo mediodía tarde noche medianoche hora horas enero febrero"
        " marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    ),
)  # fmt: skip
