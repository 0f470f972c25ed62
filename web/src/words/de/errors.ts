/** German: a sentence for every error. */
import type { failures as english } from '../errors'
import type { Translation } from '../translation'

export const failures: Translation<typeof english> = {
    page: 'In dieser Seite ist etwas schiefgegangen. Lade sie neu; was du getippt hast, bleibt erhalten.',
    tooMany: (again) => `Zu viele Versuche. ${again}`,
    trouble: 'Der Server hat gerade ein Problem. Versuch es bald noch einmal.',
    busy: (again) => `Der Server ist beschäftigt. ${again}`,
    seconds: (count) => `Versuch es in ${count} ${count === 1 ? 'Sekunde' : 'Sekunden'} noch einmal.`,
    minutes: (count) => `Versuch es in ${count} Minuten noch einmal.`,
}

export const errors: Readonly<Record<string, string>> = {
    NETWORK: 'Der Server ist nicht zu erreichen. Prüfe deine Verbindung und versuch es noch einmal.',
    TIMEOUT: 'Der Server hat nicht rechtzeitig geantwortet. Versuch es noch einmal.',
    NOT_UNDERSTOOD: 'Etwas zwischen dir und dem Server hat an seiner Stelle geantwortet. Prüfe die Adresse.',
    AUTH_EXPIRED: 'Deine Anmeldung ist abgelaufen. Melde dich noch einmal an.',
    BANNED: 'Du bist aus dieser Community verbannt.',
    KICKED: 'Du wurdest aus dieser Community entfernt. Mit einer Einladung kannst du zurückkehren.',
    NOT_A_MEMBER: 'Du hast diese Community verlassen. Mit einer Einladung kannst du zurückkehren.',
    INVITE_INVALID: 'Diese Einladung gibt es nicht, oder sie wurde zurückgezogen. Bitte um eine neue.',
    INVITE_EXPIRED: 'Diese Einladung ist abgelaufen oder verbraucht. Bitte um eine neue.',
    '2FA_INVALID_CODE': 'Der Code ist falsch, schon benutzt, oder seine Zeit ist abgelaufen.',
    '2FA_RECOVERY_EXHAUSTED':
        'Es gibt keine Wiederherstellungscodes mehr. Die Verwaltung kann deinen zweiten Faktor zurücksetzen.',
    '2FA_MAX_ATTEMPTS': 'Zu viele falsche Codes. Beginne noch einmal mit dem Passwort.',
    WEBAUTHN_FAILED: 'Der Passkey wurde nicht angenommen. Versuch es noch einmal oder auf anderem Weg.',
    WEBAUTHN_NOT_CONFIGURED: 'Dieser Server nimmt an dieser Adresse keine Passkeys. Verwende dein Passwort.',
    WEBAUTHN_CREDENTIAL_NOT_FOUND: 'Für dieses Konto gibt es keinen Passkey. Verwende dein Passwort.',
    MISSING_PERMISSIONS: 'Deine Rollen erlauben das hier nicht.',
    FORBIDDEN: 'Der Server erlaubt das nicht.',
    MESSAGE_TOO_LARGE: 'Die Nachricht ist zu lang. Kürze sie und sende sie noch einmal.',
    QUOTA_EXCEEDED: 'Dein Platz für Dateien ist voll. Lösche Dateien, die du nicht mehr brauchst.',
    INSUFFICIENT_STORAGE: 'Der Server hat keinen Speicherplatz mehr. Sag dem Betreiber Bescheid.',
    TIMED_OUT: 'Die Moderation hat dich stummgeschaltet. Du kannst lesen und später wieder schreiben.',
    UNKNOWN: 'Der Server hat das abgelehnt, ohne zu sagen, warum.',
}
