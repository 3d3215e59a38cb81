/** Where the API has a user. */

export function pathOf(user: string): string {
  return `/v1/users/${encodeURIComponent(user)}`
}
