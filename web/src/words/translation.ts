/** What a language has to give for the words of a screen. */

type Widened<T> = T extends string
    ? string
    : T extends (...given: infer G) => string
      ? (...given: G) => string
      : T extends readonly unknown[]
        ? { [K in keyof T]: Widened<T[K]> }
        : { [K in keyof T]?: Widened<T[K]> }

/** Words of the same kinds; English stands in for those that are missing. */
export type Translation<T> = Widened<T>
