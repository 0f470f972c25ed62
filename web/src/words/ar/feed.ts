/** Arabic: the words of a feed, a thread or a conversation. */
import type { feed as english } from '../en/feed'
import type { Translation } from '../translation'
import { counted, messages, people } from './plural'

export const feed: Translation<typeof english> = {
    history: (place) => `الرسائل في ${place}`,
    empty: 'لم يُكتب شيء هنا بعد. ألقِ التحية!',
    loading: 'جارٍ تحميل الرسائل…',
    forbidden: 'لا يُسمح لك بقراءة الرسائل هنا. يستطيع من يدير هذا المجتمع أن يسمح بذلك.',
    missing: 'لم يعد هنا شيء.',
    failed: 'تعذّر تحميل الرسائل.',
    retry: 'أعد المحاولة',
    article: (author, time) => `${author}، ${time}`,
    unknown: 'عضو غير معروف',
    automatic: 'رسالة آلية',
    edited: 'معدّلة',
    editedAt: (time) => `عُدّلت ${time}`,
    pinned: 'مثبّتة',
    encrypted: 'رسالة مشفّرة من برنامج آخر. لا تستطيع هذه الصفحة قراءتها.',
    newMessages: 'جديد',
    gap: 'هنا رسائل ناقصة',
    fillGap: 'حمّلها',
    older: 'جارٍ تحميل رسائل أقدم',
    newer: 'جارٍ تحميل رسائل أحدث',
    toNewest: (count) => (count === 0 ? 'إلى الأحدث' : `${messages(count)} جديدة`),
    toUnread: (count) => `${count} غير مقروءة. إلى أولها`,
    heard: (author, text) => `${author}: ${text}`,
    typing: (names) =>
        names.length === 0
            ? ''
            : names.length > 3
              ? 'عدة أشخاص يكتبون…'
              : names.length === 1
                ? `${names[0]} يكتب…`
                : `${names.join('، ')} يكتبون…`,

    composer: (place) => `رسالة إلى ${place}`,
    send: 'إرسال',
    left: (count) => (count >= 0 ? `بقي ${count}` : `زيادة ${-count} من الأحرف`),
    maySend: 'أدوارك لا تسمح لك بالكتابة هنا.',
    announcement: 'لا يكتب هنا إلا من يدير هذه القناة.',
    locked: 'هذا الموضوع مغلق. لا يمكن لأحد الكتابة هنا.',
    replyTo: (author) => `رد على ${author}`,
    cancelReply: 'إلغاء الرد',
    replied: (author) => `رد على ${author}:`,
    repliedGone: 'رد على رسالة ليست هنا',
    goToReplied: 'إلى الرسالة',

    waiting: 'بانتظار الإرسال',
    sending: 'جارٍ الإرسال…',
    asks: 'لا يُعرف هل أُرسلت: انقطع الاتصال طويلًا.',
    sendAgain: 'أرسل من جديد',
    editPending: 'تعديل',
    discard: 'حذف',

    actions: 'إجراءات هذه الرسالة',
    more: 'المزيد',
    reply: 'رد',
    react: 'أضف تفاعلًا',
    edit: 'تعديل',
    copy: 'نسخ النص',
    link: 'نسخ الرابط',
    pin: 'تثبيت',
    unpin: 'إلغاء التثبيت',
    thread: 'ابدأ موضوعًا',
    unreadFrom: 'غير مقروء من هنا',
    report: 'إبلاغ',
    remove: 'حذف',
    copied: 'نُسخ',
    notCopied: 'لم يسمح المتصفح بالنسخ.',

    editing: 'تعديل الرسالة',
    save: 'حفظ',
    cancel: 'إلغاء',
    editKeys: 'Enter يحفظ، وEsc يلغي.',

    deleteTitle: 'أتحذف هذه الرسالة؟',
    deleteText: 'تختفي عند الجميع ولا يمكن استعادتها.',
    deleteHint: 'اضغط Shift وأنت تختار الحذف لتجاوز هذا السؤال.',

    reaction: (emoji, count, me) => `${emoji}: ${people(count)}${me ? '، وأنت منهم' : ''}`,

    spoiler: 'مخفي. أظهره',
    code: 'شيفرة',
    copyCode: 'نسخ',
    everyone: '@everyone',
    unknownRole: 'دور غير معروف',
    unknownFeed: 'قناة غير معروفة',
    leave: 'هذا الرابط يقود إلى مكان آخر',
    leaveText: (text, address) => `نص الرابط «${text}» لكنه يقود إلى ${address}`,
    open: 'افتحه',

    everyoneTitle: 'أتُعلم الجميع؟',
    everyoneText: (count) =>
        count === null
            ? 'هذه الرسالة تُعلم كل من يستطيع القراءة هنا.'
            : `هذه الرسالة تُعلم ${people(count)}: كل من يستطيع القراءة هنا.`,
    camera: 'التقط صورة',
    cameraTake: 'التقط',
    cameraAgain: 'مرة أخرى',
    cameraUse: 'أضفها إلى الرسالة',
    cameraOther: 'كاميرا أخرى',
    cameraStarting: 'الكاميرا تبدأ…',
    cameraPreview: 'ما تراه الكاميرا',
    cameraRefused: 'لم يُسمح للمتصفح باستعمال الكاميرا. اسمح بذلك في إعدادات الصفحة بجانب العنوان ثم أعد المحاولة.',
    cameraAbsent: 'لا توجد كاميرا. يمكنك إضافة صورة كملف.',
    cameraInsecure: 'لا تعطي المتصفحات الكاميرا إلا للعناوين المشفّرة (https). يمكنك إضافة صورة كملف.',
    cameraBusy: 'برنامج آخر يستعمل الكاميرا. أغلقها هناك ثم أعد المحاولة.',

    picture: (name, alt) => `اعرض ${alt || name} كاملة`,
    embedPicture: (title) => (title === '' ? 'صورة معاينة' : `صورة ${title}`),
    pictureFailed: 'تعذّر تحميل هذه الصورة.',
    load: 'تحميل',
    play: (name) => `شغّل ${name}`,
    download: 'تنزيل',
    downloadOf: (name) => `تنزيل ${name}`,
    size: (bytes) =>
        bytes < 1024
            ? `${bytes} بايت`
            : bytes < 1024 * 1024
              ? `${Math.round(bytes / 1024)} ك.ب`
              : `${(bytes / 1024 / 1024).toFixed(1)} م.ب`,

    back: 'ارجع إلى حيث كنت',

    viewer: (name) => `صورة ${name}`,
    pictureAt: (at, of) => `${at} من ${of}`,
    previous: 'الصورة السابقة',
    next: 'الصورة التالية',
    larger: 'أكبر',
    smaller: 'أصغر',
    close: 'إغلاق',

    emoji: 'رموز تعبيرية',
    searchEmoji: 'ابحث عن رمز',
    noEmoji: 'لا يوجد رمز لهذه الكلمة. جرّب بالإنجليزية.',
    addEmoji: 'رموز تعبيرية',
    emojiStickersGifs: 'رموز وملصقات وصور متحركة',
    tabs: { emoji: 'رموز', stickers: 'ملصقات', gifs: 'صور متحركة' },
    skin: 'لون البشرة',
    skins: ['افتراضي', 'فاتح', 'فاتح متوسط', 'متوسط', 'داكن متوسط', 'داكن'],
    noStickers: 'لا ملصقات في هذا المجتمع بعد.',
    searchStickers: 'ابحث في الملصقات',
    searchGifs: 'ابحث عن صور متحركة',
    noGifs: 'لم يُعثر على شيء لهذه الكلمات.',
    gifsBy: 'يطلبها خادم مجتمعك من KLIPY؛ ولا تعرف KLIPY من أنت.',
    sticker: (name) => `ملصق ${name}`,
    gif: (title) => (title === '' ? 'صورة متحركة' : `صورة متحركة: ${title}`),

    attach: 'أضف ملفات',
    tray: 'ملفات هذه الرسالة',
    markSpoiler: 'إخفاء',
    hiddenFile: (name) => `مخفي: ${name}. أظهره`,
    uploading: 'جارٍ الرفع…',
    removeFile: (name) => `أزل ${name}`,
    tooMany: (most) => `تتسع الرسالة لعدد ${most} من الملفات. تُركت البقية.`,
    notUploaded: 'يمكن إرسال الرسالة عندما تصل كل الملفات.',

    suggestions: 'اقتراحات',
    suggested: (count) =>
        count === 0
            ? ''
            : `${counted(count, { one: 'اقتراح واحد', two: 'اقتراحان', few: 'اقتراحات', many: 'اقتراحًا', other: 'اقتراح' })}؛ الأسهم تختار وEnter يأخذ`,

    toPlaces: 'إظهار القنوات',
    tools: { threads: 'المواضيع', pins: 'المثبّتة', search: 'البحث', members: 'الأعضاء' },
    moreTools: 'المزيد عن هذا المكان',
    level: 'إشعارات هذا المكان',
    mutedNow: 'إشعارات هذا المكان: مكتومة',
    levels: {
        standard: 'كما في إعداداتك',
        all: 'كل الرسائل',
        mentions: 'الإشارات فقط',
        nothing: 'لا شيء',
    },
    muteHour: 'كتم ساعة',
    muteDay: 'كتم يومًا',
    muteEver: 'كتم حتى تلغيه',
    unmute: 'إلغاء الكتم',
    levelSet: 'تغيّر على كل أجهزتك',

    pins: 'المثبّتة',
    noPins: 'لا شيء مثبّت هنا.',

    reportTitle: 'أبلغ عن هذه الرسالة',
    reportText: (author) => `يرى المشرفون رسالة ${author} وما تكتبه هنا. لا يعلم ${author} بذلك.`,
    reportReason: 'السبب',
    reasons: {
        spam: 'رسائل مزعجة',
        harassment: 'مضايقة أو تهديد',
        hate: 'كراهية',
        illegal: 'شيء غير قانوني',
        other: 'شيء آخر',
    },
    reportMore: 'ما ينبغي أن يعرفه المشرفون',
    reportSend: 'أبلغ',
    reported: 'تم الإبلاغ. سينظر المشرفون فيه.',
    inThread: 'في موضوع',
    jumpTo: (author, time) => `إلى رسالة ${author}، ${time}`,
}
