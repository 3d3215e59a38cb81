/** Lines of the audit copy for tests: as the sinks write them, and as the verifier reads them. */

import { type AuditRow, type ChainHead, link } from '../../src/audit/chain/chain.ts'
import { formatLine } from '../../src/audit/copy/line.ts'
import type { Copy } from '../../src/audit/copy/read-copy.ts'
import { type CopiesOptions, type CopiesVerdict, verifyCopies } from '../../src/audit/copy/verify-copies.ts'
import type { testSigner } from './test-signer.ts'

type Signer = ReturnType<typeof testSigner>

/** Events of a chain, as lines; `gatewayOf` says who wrote which. */
export function copyLines(
  signer: Signer,
  count: number,
  {
    after = { seq: 0, hash: '' },
    gatewayOf = () => 'gw_1',
  }: { after?: ChainHead; gatewayOf?: (seq: number) => string } = {},
): string[] {
  const rows: AuditRow[] = []
  for (let i = 0; i < count; i++) {
    const data = JSON.stringify({ number: i, text: 'ü"\n\u2028' })
    const gateway = gatewayOf(after.seq + i + 1)
    const event = { at: i, gateway, kind: 'login.accepted', actor: 'alice', session: null, data }
    rows.push(link(rows.at(-1) ?? after, event, signer))
  }
  return rows.map(formatLine)
}

/** A text without a newline at its end has a torn last line. */
export function copyOf(name: string, lines: readonly string[], torn = false): Copy {
  return {
    name,
    lines: lines.map((text, index) => ({ text, number: index + 1, whole: !torn || index < lines.length - 1 })),
  }
}

export function verifyLines(
  lines: readonly string[],
  { publicKeyPem }: Pick<Signer, 'publicKeyPem'>,
  options?: CopiesOptions,
): Promise<CopiesVerdict> {
  return verifyCopies([copyOf('audit.jsonl', lines)], publicKeyPem, options)
}
