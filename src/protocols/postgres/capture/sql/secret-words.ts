/** Words that tell of a secret: in names, in literals, anywhere. Each expression takes time in proportion to the text, whatever that is. */

/**
 * A text without any of these holds no secret that could be known by its place; nearly all end here. What may hide such a word is
 * among them: escapes, and literals that go on in the next line.
 */
export const MAY_HOLD_SECRET =
  /pas+w|(?<![a-z])pass(?:code)?(?![a-z])|passphrase|passfile|kennwort|mot_?de_?passe|pwd|psw|(?<![a-z])(?:pw|jwt)(?![a-z])|secret|token|credential|(?:api|access|private|encryption|master|signing)[_ ]?key|bearer|authorization|identified|crypt|hmac|uescape|scram-sha-256\$|md5[\da-f]{32}|execute|:\/\/[^\s:/@]{0,128}:[^\s@]{0,128}@|\s-u\s{0,4}\w{1,64}:|u&['"]|\\|'[ \t\f\v]*(?:[\n\r][ \t\n\r\f\v]*(?:'|--)|--)/i

/** The same without what may only hide one. */
const MENTION =
  /pas+w|(?<![a-z])pass(?:code)?(?![a-z])|passphrase|passfile|kennwort|mot_?de_?passe|pwd|psw|(?<![a-z])(?:pw|jwt)(?![a-z])|secret|token|credential|(?:api|access|private|encryption|master|signing)[_ ]?key|bearer|authorization|identified|(?:en|de)?crypt|hmac|scram-sha-256\$|md5[\da-f]{32}|:\/\/[^\s:/@]{0,128}:[^\s@]{0,128}@|\s-u\s{0,4}\w{1,64}:/i

export const mentionsSecret = (text: string): boolean => MENTION.test(text)

const SECRET_NAME =
  /^(?:[\s\S]*_)?(?:[a-z]*pass(?:word|wd|phrase|file|wort)|pass(?:code)?|kennwort|mot_?de_?passe|pwd|psw|pw|jwt|secret|token|credentials?|(?:api|access|secret|private|encryption|master|signing)_?key)(?:_?(?:hash|value|text|enc|encrypted|id|key|[0-9]{1,3}))?$/i
const LONGEST_NAME = 256

/** Whether what has this name is a secret: a column, a setting, an option, a function's argument. */
export function isSecretName(name: string): boolean {
  return name.length <= LONGEST_NAME && SECRET_NAME.test(name.slice(name.lastIndexOf('.') + 1))
}

/** Functions (pgcrypto) whose arguments are secrets. */
export const SECRET_FUNCTION = /^(?:crypt|hmac|(?:en|de)crypt(?:_iv)?|pgp_(?:sym|pub)_(?:en|de)crypt(?:_bytea)?)$/i

const INSIDE =
  /(?:pass(?:word|wd|phrase|wort)|pwd|psw|secret|token|credentials?|(?:api|access|secret|private|encryption|master|signing)_?key)(?:_[a-z]{1,12})?["'\\]{0,8}\s{0,8}(?:=|:|'|"|to\s|is\s|e')|:\/\/[^\s:/@]{0,128}:[^\s@]{0,128}@|identified\s{1,8}by|bearer\s|authorization:|(?:^|\s)-u\s{0,8}[^\s:]{1,128}:|--password\s|scram-sha-256\$\d|md5[\da-f]{32}|-----begin [a-z ]{0,20}private key/i

/** Whether a literal, a comment, a value or a message holds a secret: a connection string, SQL, JSON, a verifier. */
export function holdsSecret(text: string): boolean {
  return INSIDE.test(text)
}

/** A template into which a secret is put from another literal. */
export const TEMPLATE = /pass(?:word|wd|phrase)\s{0,8}(?:=|:)?\s{0,8}(?:%|'{0,4}\s{0,8}$)/i
