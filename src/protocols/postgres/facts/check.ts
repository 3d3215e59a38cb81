/** What would refuse every login at a PostgreSQL target is a complaint when its entry is written. */

import { X509Certificate } from 'node:crypto'
import { listedTwice } from '../../../shared/listed-twice.ts'
import type { Complaint } from '../../facts.ts'
import { certifies } from './certificate.ts'
import type { PostgresEntry } from './entry.ts'

export function checkEntry(target: PostgresEntry): Complaint[] {
  return [...checkCertificates(target.ca), ...checkAuthentication(target), ...checkName(target)]
}

function checkAuthentication(target: PostgresEntry): Complaint[] {
  const { authentication, channelBinding, scramIterations, tls } = target
  const open = authentication.findIndex(method => method === 'password' || method === 'none')
  const complaints: Complaint[] = listedTwice(authentication, 'authentication', method => `${method} is there twice.`)
  if (open >= 0 && !certifies(target)) {
    const message = `${authentication[open]} needs a certificate that is checked: tls: verify-full, or verify-ca with a ca.`
    complaints.push({ path: ['authentication', open], message })
  }
  if (channelBinding === 'require' && ['disable', 'allow', 'prefer'].includes(tls)) {
    complaints.push({
      path: ['channelBinding'],
      message: 'Channel binding needs TLS: tls: require, or better verify-full.',
    })
  }
  if (channelBinding === 'require' && !authentication.includes('scram-sha-256')) {
    complaints.push({ path: ['channelBinding'], message: 'Channel binding needs authentication: [scram-sha-256].' })
  }
  if (scramIterations.min > scramIterations.max) {
    complaints.push({ path: ['scramIterations', 'min'], message: `min is more than max (${scramIterations.max}).` })
  }
  return complaints
}

function checkName({ database }: PostgresEntry): Complaint[] {
  return database === '' ? [{ path: ['database'], message: 'database is empty: name one, or leave it out.' }] : []
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

function checkCertificates(ca: string | undefined): Complaint[] {
  if (ca === undefined) return []
  const blocks = ca.match(CERTIFICATE) ?? []
  const readable = blocks.length > 0 && blocks.every(isCertificate)
  return readable
    ? []
    : [{ path: ['ca'], message: 'ca is the text of PEM certificates (-----BEGIN CERTIFICATE-----).' }]
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}
