/** German: the words of a feed, a thread or a conversation. */
import type { feed as english } from '../en/feed'
import type { Translation } from '../translation'

const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many)

export const feed: Translation<typeof english> = {
    history: (place) => `Nachrichten in ${place}`,
    empty: 'Hier wurde noch nichts geschrieben. Sag Hallo!',
    loading: 'Nachrichten werden geladen…',
    forbidden: 'Du darfst die Nachrichten hier nicht lesen. Wer die Community verwaltet, kann es erlauben.',
    missing: 'Hier gibt es nichts mehr.',
    failed: 'Die Nachrichten konnten nicht geladen werden.',
    retry: 'Noch einmal',
    article: (author, time) => `${author}, ${time}`,
    unknown: 'Unbekanntes Mitglied',
    automatic: 'Automatische Nachricht',
    edited: 'bearbeitet',
    editedAt: (time) => `Bearbeitet ${time}`,
    pinned: 'Angeheftet',
    encrypted: 'Eine verschlüsselte Nachricht eines anderen Programms. Diese Seite kann sie nicht lesen.',
    newMessages: 'Neu',
    gap: 'Hier fehlen Nachrichten',
    fillGap: 'Laden',
    older: 'Ältere Nachrichten werden geladen',
    newer: 'Neuere Nachrichten werden geladen',
    toNewest: (count) =>
        count === 0 ? 'Zu den neuesten' : `${count} neue ${plural(count, 'Nachricht', 'Nachrichten')}`,
    toUnread: (count) => `${count} ungelesen. Zur ersten`,
    heard: (author, text) => `${author}: ${text}`,
    typing: (names) =>
        names.length === 0
            ? ''
            : names.length > 3
              ? 'Mehrere schreiben gerade…'
              : `${names.join(', ')} ${plural(names.length, 'schreibt', 'schreiben')} gerade…`,

    composer: (place) => `Nachricht an ${place}`,
    send: 'Senden',
    left: (count) => (count >= 0 ? `Noch ${count}` : `${-count} ${plural(-count, 'Zeichen', 'Zeichen')} zu viel`),
    maySend: 'Deine Rollen erlauben dir nicht, hier zu schreiben.',
    announcement: 'Hier schreibt nur, wer diesen Feed verwaltet.',
    locked: 'Dieser Thread ist geschlossen. Hier kann niemand schreiben.',
    replyTo: (author) => `Antwort an ${author}`,
    cancelReply: 'Nicht antworten',
    replied: (author) => `Antwort an ${author}:`,
    repliedGone: 'Antwort auf eine Nachricht, die nicht hier ist',
    goToReplied: 'Zur Nachricht',

    waiting: 'Wartet auf das Senden',
    sending: 'Wird gesendet…',
    asks: 'Unklar, ob das gesendet wurde: Die Verbindung war zu lange weg.',
    sendAgain: 'Noch einmal senden',
    editPending: 'Bearbeiten',
    discard: 'Löschen',

    actions: 'Aktionen für diese Nachricht',
    more: 'Mehr',
    reply: 'Antworten',
    react: 'Reagieren',
    edit: 'Bearbeiten',
    copy: 'Text kopieren',
    link: 'Link kopieren',
    pin: 'Anheften',
    unpin: 'Loslösen',
    thread: 'Thread beginnen',
    unreadFrom: 'Ab hier ungelesen',
    report: 'Melden',
    remove: 'Löschen',
    copied: 'Kopiert',
    notCopied: 'Der Browser hat das Kopieren nicht erlaubt.',

    editing: 'Nachricht bearbeiten',
    save: 'Speichern',
    cancel: 'Abbrechen',
    editKeys: 'Enter speichert, Esc bricht ab.',

    deleteTitle: 'Diese Nachricht löschen?',
    deleteText: 'Sie ist dann für alle weg und kann nicht zurückgeholt werden.',
    deleteHint: 'Mit gedrückter Umschalttaste fällt diese Frage weg.',

    reaction: (emoji, count, me) => `${emoji}: ${count} ${plural(count, 'Person', 'Personen')}${me ? ', mit dir' : ''}`,

    spoiler: 'Verborgen. Zeigen',
    code: 'Code',
    copyCode: 'Kopieren',
    everyone: '@everyone',
    unknownRole: 'unbekannte Rolle',
    unknownFeed: 'unbekannter Feed',
    leave: 'Dieser Link führt woandershin',
    leaveText: (text, address) => `Im Link steht „${text}“, er führt aber zu ${address}`,
    open: 'Öffnen',

    everyoneTitle: 'Allen Bescheid geben?',
    everyoneText: (count) =>
        count === null
            ? 'Diese Nachricht benachrichtigt alle, die hier lesen können.'
            : `Diese Nachricht benachrichtigt ${count} ${plural(count, 'Person', 'Personen')}: alle, die hier lesen können.`,
    camera: 'Foto aufnehmen',
    cameraTake: 'Aufnehmen',
    cameraAgain: 'Noch einmal',
    cameraUse: 'Zur Nachricht hinzufügen',
    cameraOther: 'Andere Kamera',
    cameraStarting: 'Die Kamera startet…',
    cameraPreview: 'Was die Kamera sieht',
    cameraRefused:
        'Der Browser durfte die Kamera nicht verwenden. Erlaube es in den Einstellungen der Seite neben der Adresse und versuch es noch einmal.',
    cameraAbsent: 'Es gibt keine Kamera. Du kannst ein Bild als Datei hinzufügen.',
    cameraInsecure:
        'Browser geben die Kamera nur an verschlüsselte Adressen (https). Du kannst ein Bild als Datei hinzufügen.',
    cameraBusy: 'Ein anderes Programm verwendet die Kamera. Schließe sie dort und versuch es noch einmal.',

    picture: (name, alt) => `${alt || name} ganz zeigen`,
    embedPicture: (title) => (title === '' ? 'Bild einer Vorschau' : `Bild zu ${title}`),
    pictureFailed: 'Dieses Bild konnte nicht geladen werden.',
    load: 'Laden',
    play: (name) => `${name} abspielen`,
    download: 'Herunterladen',
    downloadOf: (name) => `${name} herunterladen`,
    size: (bytes) =>
        bytes < 1024
            ? `${bytes} B`
            : bytes < 1024 * 1024
              ? `${Math.round(bytes / 1024)} kB`
              : `${(bytes / 1024 / 1024).toFixed(1).replace('.', ',')} MB`,

    back: 'Zurück, wo du warst',

    viewer: (name) => `Bild ${name}`,
    pictureAt: (at, of) => `${at} von ${of}`,
    previous: 'Voriges Bild',
    next: 'Nächstes Bild',
    larger: 'Größer',
    smaller: 'Kleiner',
    close: 'Schließen',

    emoji: 'Emoji',
    searchEmoji: 'Emoji suchen',
    noEmoji: 'Für dieses Wort gibt es kein Emoji. Versuch es auf Englisch.',
    addEmoji: 'Emoji',
    emojiStickersGifs: 'Emoji, Sticker, GIFs',
    tabs: { emoji: 'Emoji', stickers: 'Sticker', gifs: 'GIFs' },
    skin: 'Hautton',
    skins: ['Standard', 'Hell', 'Mittelhell', 'Mittel', 'Mitteldunkel', 'Dunkel'],
    noStickers: 'Diese Community hat noch keine Sticker.',
    searchStickers: 'Sticker suchen',
    searchGifs: 'GIFs suchen',
    noGifs: 'Für diese Wörter wurde nichts gefunden.',
    gifsBy: 'Der Server deiner Community fragt KLIPY danach; KLIPY erfährt nicht, wer du bist.',
    sticker: (name) => `Sticker ${name}`,
    gif: (title) => (title === '' ? 'GIF' : `GIF: ${title}`),

    attach: 'Dateien hinzufügen',
    tray: 'Dateien dieser Nachricht',
    markSpoiler: 'Verbergen',
    hiddenFile: (name) => `Verborgen: ${name}. Zeigen`,
    uploading: 'Wird hochgeladen…',
    removeFile: (name) => `${name} entfernen`,
    tooMany: (most) => `Eine Nachricht fasst ${most} Dateien. Die anderen wurden weggelassen.`,
    notUploaded: 'Die Nachricht kann gesendet werden, sobald alle Dateien da sind.',

    suggestions: 'Vorschläge',
    suggested: (count) =>
        count === 0 ? '' : `${count} ${plural(count, 'Vorschlag', 'Vorschläge')}; Pfeile wählen, Enter übernimmt`,

    toPlaces: 'Feeds zeigen',
    tools: { threads: 'Threads', pins: 'Angeheftet', search: 'Suche', members: 'Mitglieder' },
    moreTools: 'Mehr zu diesem Ort',
    level: 'Mitteilungen dieses Orts',
    mutedNow: 'Mitteilungen dieses Orts: stumm',
    levels: {
        standard: 'Wie in deinen Einstellungen',
        all: 'Alle Nachrichten',
        mentions: 'Nur Erwähnungen',
        nothing: 'Nichts',
    },
    muteHour: 'Eine Stunde stumm',
    muteDay: 'Einen Tag stumm',
    muteEver: 'Stumm, bis du es aufhebst',
    unmute: 'Nicht mehr stumm',
    levelSet: 'Auf allen deinen Geräten geändert',

    pins: 'Angeheftet',
    noPins: 'Hier ist nichts angeheftet.',

    reportTitle: 'Diese Nachricht melden',
    reportText: (author) =>
        `Die Moderation sieht die Nachricht von ${author} und was du hier schreibst. ${author} erfährt davon nichts.`,
    reportReason: 'Grund',
    reasons: {
        spam: 'Spam',
        harassment: 'Belästigung oder Drohung',
        hate: 'Hass',
        illegal: 'Etwas Verbotenes',
        other: 'Etwas anderes',
    },
    reportMore: 'Was die Moderation wissen sollte',
    reportSend: 'Melden',
    reported: 'Gemeldet. Die Moderation sieht es sich an.',
    inThread: 'in einem Thread',
    jumpTo: (author, time) => `Zur Nachricht von ${author}, ${time}`,
}
