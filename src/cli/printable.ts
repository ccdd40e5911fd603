/** What comes out of a store goes to a terminal: names may hold any byte, and a terminal obeys some. */

/** `text` with its control characters written as escapes, like \x1b; line ends too. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
