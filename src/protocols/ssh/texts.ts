/** How words of the gateway, or of strangers, are made safe for a person's terminal. */

/** Takes out everything that could move a cursor or change a colour: control and format characters, but not line ends. */
export function plain(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[^\P{C}\n]/gu, '?')
}

/** Plain text with the line ends that a raw terminal needs. */
export function terminalLines(text: string): string {
  return `${plain(text).replace(/\n+$/, '').replaceAll('\n', '\r\n')}\r\n`
}
