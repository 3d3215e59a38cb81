/** Milliseconds since the epoch, as ISO 8601 in UTC: as the API, `--json` and events give times. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
