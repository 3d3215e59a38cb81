/** Reads text in the encoding that the session's client uses (`client_encoding`), for the recording. */

export type TextDecode = (bytes: Buffer) => string

/** PostgreSQL's names of encodings, in those of the Encoding Standard. */
const LABELS: Record<string, string> = {
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  LATIN2: 'iso-8859-2',
  LATIN7: 'iso-8859-13',
  LATIN9: 'iso-8859-15',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_7: 'iso-8859-7',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  SJIS: 'shift_jis',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  UHC: 'euc-kr',
  EUC_CN: 'gbk',
  GBK: 'gbk',
  GB18030: 'gb18030',
  BIG5: 'big5',
}

const utf8: TextDecode = bytes => bytes.toString('utf8')
const latin1: TextDecode = bytes => bytes.toString('latin1')

/** One that is not known is read as Latin-1: every byte stays visible. */
export function decoderOf(clientEncoding: string | undefined): TextDecode {
  if (clientEncoding === undefined || clientEncoding === 'UTF8' || clientEncoding === 'SQL_ASCII') return utf8
  const label = LABELS[clientEncoding]
  if (label === undefined) return latin1
  const decoder = new TextDecoder(label)
  return bytes => decoder.decode(bytes)
}
