/** Arabic: the words of the set-up. */
import type { setup as english } from '../en/setup'
import type { Translation } from '../translation'

export const setup: Translation<typeof english> = {
    title: 'مجتمعك',
    text: 'خياران وتدخل. يمكن تغيير كل ذلك لاحقًا.',
    name: 'اسم المجتمع',
    layout: 'للبداية',
    layouts: {
        friends: ['أصدقاء', 'عام وصور وغرفة للحديث'],
        team: ['فريق', 'عام وإعلانات ومشاريع ومساعدة وغرفة اجتماع'],
        support: ['خط دعم', 'عام ومتصلون وغرفة للخط'],
        blank: ['لا شيء تقريبًا', 'قناة واحدة'],
    },
    make: 'أنشئه',
    making: 'جارٍ الإنشاء… يأخذ الخادم الأشياء واحدًا بعد آخر.',
    later: 'تخطَّ',
    done: (server) => `${server} جاهز`,
    inviteText: 'يستطيع من يفتح هذا الرابط أن ينشئ حسابًا وينضم. يعمل سبعة أيام.',
    inviteLink: 'رابط الدعوة',
    copy: 'انسخ الرابط',
    copied: 'نُسخ.',
    notCopied: 'لم يسمح المتصفح بالنسخ. الرابط محدّد: انسخه بيدك.',
    go: 'إلى مجتمعك',
}
