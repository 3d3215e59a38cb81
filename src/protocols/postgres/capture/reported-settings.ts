/** The settings that decide how the server reads statements, as it reports them. */

import { type ClientEncoding, clientEncodingOf } from './values/client-encoding.ts'

export class ReportedSettings {
  encoding: ClientEncoding
  /** Whether a backslash in a plain literal escapes what follows. */
  backslashQuotes: boolean

  /** `parameters` are what the target reported at login. */
  constructor(parameters: ReadonlyMap<string, string>) {
    this.encoding = clientEncodingOf(parameters.get('client_encoding'))
    this.backslashQuotes = parameters.get('standard_conforming_strings') === 'off'
  }

  /** ParameterStatus. */
  report(name: string, value: string): void {
    if (name === 'client_encoding') this.encoding = clientEncodingOf(value)
    if (name === 'standard_conforming_strings') this.backslashQuotes = value === 'off'
  }
}
