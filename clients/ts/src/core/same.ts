/** Whether two values say the same on the wire. */

/** The same text for what is the same; a `bigint` outside of content is one that a number holds (M13). */
export const keyOf = (value: unknown): string =>
  JSON.stringify(value, (_, member) => (typeof member === "bigint" ? Number(member) : member));
