/** Arabic counts in six forms; few words need all of them. */

const RULES = new Intl.PluralRules('ar')

interface Forms {
    zero?: string
    one: string
    two: string
    /** 3 to 10. */
    few: string
    /** 11 to 99. */
    many: string
    other: string
}

/** The form for a number; the number itself stands before it where the form does not hold it. */
export function counted(count: number, forms: Forms): string {
    const rule = RULES.select(count)
    if (rule === 'zero' && forms.zero !== undefined) return forms.zero
    if (rule === 'one' || rule === 'two') return forms[rule]
    return `${count} ${forms[rule === 'zero' ? 'other' : rule]}`
}

export const messages = (count: number): string =>
    counted(count, { one: 'رسالة واحدة', two: 'رسالتان', few: 'رسائل', many: 'رسالة', other: 'رسالة' })

export const people = (count: number): string =>
    counted(count, { one: 'شخص واحد', two: 'شخصان', few: 'أشخاص', many: 'شخصًا', other: 'شخص' })
