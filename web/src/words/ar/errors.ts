/** Arabic: a sentence for every error. */
import type { failures as english } from '../errors'
import type { Translation } from '../translation'
import { counted } from './plural'

export const failures: Translation<typeof english> = {
    page: 'حدث خطأ في هذه الصفحة. أعد تحميلها؛ ما كتبته محفوظ.',
    tooMany: (again) => `محاولات كثيرة. ${again}`,
    trouble: 'في الخادم مشكلة الآن. أعد المحاولة قريبًا.',
    busy: (again) => `الخادم مشغول. ${again}`,
    seconds: (count) =>
        `أعد المحاولة بعد ${counted(count, { one: 'ثانية', two: 'ثانيتين', few: 'ثوانٍ', many: 'ثانية', other: 'ثانية' })}.`,
    minutes: (count) =>
        `أعد المحاولة بعد ${counted(count, { one: 'دقيقة', two: 'دقيقتين', few: 'دقائق', many: 'دقيقة', other: 'دقيقة' })}.`,
}

export const errors: Readonly<Record<string, string>> = {
    NETWORK: 'تعذّر الوصول إلى الخادم. تحقّق من اتصالك وأعد المحاولة.',
    TIMEOUT: 'لم يجب الخادم في الوقت المناسب. أعد المحاولة.',
    NOT_UNDERSTOOD: 'أجاب شيء بينك وبين الخادم بدلًا منه. تحقّق من العنوان.',
    AUTH_EXPIRED: 'انتهى دخولك. سجّل الدخول من جديد.',
    BANNED: 'أنت محظور من هذا المجتمع.',
    KICKED: 'أُخرجت من هذا المجتمع. تستطيع العودة بدعوة.',
    NOT_A_MEMBER: 'غادرت هذا المجتمع. تستطيع العودة بدعوة.',
    INVITE_INVALID: 'هذه الدعوة غير موجودة أو سُحبت. اطلب دعوة جديدة.',
    INVITE_EXPIRED: 'انتهت هذه الدعوة أو استُنفدت. اطلب دعوة جديدة.',
    '2FA_INVALID_CODE': 'الرمز خاطئ أو مستعمل أو انتهى وقته.',
    '2FA_RECOVERY_EXHAUSTED': 'لم تبقَ رموز استعادة. يستطيع المدير إعادة ضبط عاملك الثاني.',
    '2FA_MAX_ATTEMPTS': 'رموز خاطئة كثيرة. ابدأ من جديد بكلمة المرور.',
    WEBAUTHN_FAILED: 'لم يُقبل مفتاح المرور. أعد المحاولة أو استعمل طريقة أخرى.',
    WEBAUTHN_NOT_CONFIGURED: 'لا يقبل هذا الخادم مفاتيح المرور على هذا العنوان. استعمل كلمة المرور.',
    WEBAUTHN_CREDENTIAL_NOT_FOUND: 'لا مفتاح مرور لهذا الحساب. استعمل كلمة المرور.',
    MISSING_PERMISSIONS: 'أدوارك لا تسمح بهذا هنا.',
    FORBIDDEN: 'لا يسمح الخادم بهذا.',
    MESSAGE_TOO_LARGE: 'الرسالة طويلة جدًا. اختصرها وأرسلها من جديد.',
    QUOTA_EXCEEDED: 'امتلأت مساحتك للملفات. احذف ملفات لم تعد تحتاج إليها.',
    INSUFFICIENT_STORAGE: 'لم تبقَ مساحة على قرص الخادم. أخبر مشغّله.',
    TIMED_OUT: 'أوقفك مشرف مؤقتًا. تستطيع القراءة، والكتابة لاحقًا.',
    UNKNOWN: 'رفض الخادم هذا دون أن يذكر السبب.',
}
