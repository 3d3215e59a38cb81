/** Milliseconds since the epoch, as ISO 8601 in UTC: as the API, `--json` and events give times. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** `2026-11-27 14:30 UTC`: the minute that has not begun before it is over. */
export function isoMinute(ms: number): string {
  return minuteText(Math.ceil(ms / 60_000))
}

/** Of what has happened: the minute in which it did. */
export function pastMinute(ms: number): string {
  return minuteText(Math.floor(ms / 60_000))
}

/** `minutes` since the epoch. */
function minuteText(minutes: number): string {
  return `${new Date(minutes * 60_000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
