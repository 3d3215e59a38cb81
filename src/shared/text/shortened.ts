/** A text in at most so many characters, with `…` where some are left out. */

export function shortened(text: string, most: number, kept: 'beginning' | 'end' = 'beginning'): string {
  const characters = [...text]
  if (characters.length <= most) return text
  return kept === 'end' ? `…${characters.slice(1 - most).join('')}` : `${characters.slice(0, most - 1).join('')}…`
}
