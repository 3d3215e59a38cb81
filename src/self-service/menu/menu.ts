/** The menu: a picker on the whole screen, from which sessions are begun, and to which they come back. */

import { MOST_LISTED } from '../../access-requests/request.ts'
import type { OwnCheckOuts } from '../../check-out/own-check-outs.ts'
import type { Conversation } from '../../session/conversation.ts'
import type { Login } from '../../session/run-login.ts'
import { onceAborted } from '../../session/session-end.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import type { Log } from '../../shared/log.ts'
import { parseAccountAddress } from '../../shared/names.ts'
import { Secret } from '../../shared/secret.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import { printable } from '../../shared/text/printable.ts'
import type { CommandParts } from '../command.ts'
import { type Entry, inOrder, reachableFirst } from '../reachable-first.ts'
import { type Choice, inView, type LoginRequest, NO_CHOICE, press, withEntries } from './choice.ts'
import { createKeyReader, type Key } from './keys.ts'
import { leaveByKey } from './leave-by-key.ts'
import { outcomeText } from './outcome-text.ts'
import { listRows, pictureOf } from './picture.ts'
import { requestEntry } from './request-entry.ts'
import { createScreen, ENTER, LEAVE, RESET } from './screen.ts'
import { statesOf } from './states.ts'

/** So long an ESC waits for what may follow it. */
const ESCAPE_MS = 50
/** So many keys may wait for their turn; of more the last ones count. */
const MOST_WAITING = 4096
/** A code is six digits; what is longer is none. */
const MOST_CODE = 16
/** Of a reason, or a ticket. */
const MOST_WORDS = 200

export interface MenuParts extends CommandParts {
  readonly clock: Clock
  readonly log: Log
}

/** What the keys are for now. */
type Mode =
  | { readonly is: 'choosing' }
  /** Nothing typed is for anybody: it was meant for what is not there yet. */
  | { readonly is: 'connecting' }
  /** A session waits for something, and was told so: two keys leave it. */
  | { readonly is: 'waiting'; readonly leave: AbortController }
  /** A session has the terminal. */
  | { readonly is: 'away' }
  | {
      readonly is: 'asking'
      readonly question: string
      /** Whether what is typed is shown: words are, codes are not. */
      readonly shown: boolean
      typed: string
      answered(typed: string | undefined): void
    }

/** Resolves to the exit status, when the person leaves or is gone. */
export function runMenu(parts: MenuParts, conversation: Conversation, login: Login): Promise<ExitCode> {
  return new Menu(parts, conversation, login).run()
}

class Menu {
  readonly #parts: MenuParts
  readonly #conversation: Conversation
  readonly #login: Login
  readonly #keys = createKeyReader()
  readonly #screen
  readonly #left = Promise.withResolvers<ExitCode>()
  #escape: NodeJS.Timeout | undefined
  /** Keys that wait until others have had their turn. */
  #waiting: readonly Key[] = []
  #turn: NodeJS.Immediate | undefined
  #choice: Choice = NO_CHOICE
  #mode: Mode = { is: 'choosing' }
  #message: string | undefined
  #reading = true
  #mustRead = false
  #read: Promise<void> | undefined
  #marking = false
  #states: ReadonlyMap<string, string> = new Map()
  #over = false

  constructor(parts: MenuParts, conversation: Conversation, login: Login) {
    this.#parts = parts
    this.#conversation = conversation
    this.#login = login
    this.#screen = createScreen(text => conversation.write(text))
  }

  async run(): Promise<ExitCode> {
    onceAborted(this.#conversation.gone, () => this.#leave(EXIT.ok))
    void this.#conversation.write(ENTER)
    this.#listen()
    this.#draw()
    await this.#refresh()
    return this.#left.promise
  }

  #listen(): void {
    this.#conversation.listen({
      typed: bytes => this.#typed(bytes),
      resized: () => {
        this.#choice = inView(this.#choice, listRows(this.#size))
        this.#screen.forget()
        this.#draw()
      },
      ended: () => this.#leave(EXIT.ok),
    })
  }

  /** Once, and before anything else is written. */
  #leave(status: ExitCode): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#escape)
    clearImmediate(this.#turn)
    if (this.#mode.is === 'asking') this.#mode.answered(undefined)
    this.#conversation.listen(undefined)
    void this.#conversation.write(LEAVE)
    this.#left.resolve(status)
  }

  get #size() {
    return this.#conversation.terminal!.size
  }

  #draw(): void {
    if (this.#over || this.#mode.is === 'away') return
    const { choice, message, reading } = { choice: this.#choice, message: this.#message, reading: this.#reading }
    const user = this.#login.who.principal.user
    const question = this.#mode.is === 'asking' ? questionOf(this.#mode) : undefined
    this.#screen.show(
      pictureOf(
        { choice, user, message, question, reading, states: this.#states, now: this.#parts.clock.now() },
        this.#size,
      ),
    )
  }

  #typed(bytes: Buffer): void {
    clearTimeout(this.#escape)
    this.#take(this.#keys.push(bytes))
    if (this.#keys.waiting && !this.#over) {
      this.#escape = setTimeout(() => this.#take(this.#keys.flush()), ESCAPE_MS)
    }
  }

  #take(keys: readonly Key[]): void {
    if (keys.length === 0 || this.#over) return
    if (this.#mode.is === 'asking') this.#answer(this.#mode, keys)
    else if (this.#mode.is === 'waiting') leaveByKey(keys, this.#mode.leave)
    else if (this.#mode.is === 'choosing') {
      this.#waiting = [...this.#waiting, ...keys].slice(-MOST_WAITING)
      if (this.#turn === undefined) this.#press()
    }
  }

  #press(): void {
    this.#message = undefined
    const { choice, wish, rest } = press(this.#choice, this.#waiting, listRows(this.#size))
    this.#choice = choice
    this.#waiting = rest
    this.#turn = setImmediate(() => {
      this.#turn = undefined
      if (this.#waiting.length > 0) this.#press()
    })
    this.#grant(wish)
    this.#draw()
  }

  #grant(wish: LoginRequest): void {
    switch (wish.wants) {
      case 'nothing':
        return
      case 'leave':
        this.#leave(EXIT.ok)
        return
      case 'refresh':
        this.#screen.forget()
        void this.#refresh()
        return
      case 'favourite':
        if (!this.#marking) void this.#toggle(wish.entry.address)
        return
      case 'check-out':
        void this.#checkOutOrIn(wish.entry.address)
        return
      case 'connect':
        // What is given on request is waited for where a session can follow.
        if (wish.entry.reachable.protocol === this.#conversation.protocol) void this.#connect(wish.entry.address)
        else if (wish.entry.reachable.onRequest !== undefined) void this.#request(wish.entry)
        else this.#message = elsewhere(wish.entry, this.#login.who.principal.user)
    }
  }

  /** Reads what the person may use, as the store and the policy have it now; who asks again and again is answered by one more reading. */
  #refresh(): Promise<void> {
    this.#mustRead = true
    this.#reading = true
    this.#draw()
    this.#read ??= this.#readWhileAsked()
    return this.#read
  }

  async #readWhileAsked(): Promise<void> {
    while (this.#mustRead && !this.#over) {
      this.#mustRead = false
      await this.#readOnce()
    }
    this.#read = undefined
    this.#reading = false
    this.#draw()
  }

  async #readOnce(): Promise<void> {
    try {
      const person = await this.#login.person()
      if (person === undefined) {
        this.#leave(EXIT.notPermitted)
        return
      }
      void this.#readStates()
      const first = this.#choice === NO_CHOICE
      const take = (entries: Choice['entries']) => {
        this.#choice = inView(withEntries(this.#choice, entries), listRows(this.#size))
        this.#draw()
      }
      take(await reachableFirst(this.#parts, person, { first: first ? take : undefined, withOffered: true }))
    } catch (error) {
      this.#failed(error, 'What you may use could not be read; ^L tries again.')
    }
  }

  async #readStates(): Promise<void> {
    try {
      const { checkOutsOf, requestsOf } = this.#parts
      const [checkOuts, requests] = await Promise.all([
        checkOutsOf(this.#login).list(),
        requestsOf(this.#login).list('mine', { state: 'pending', limit: MOST_LISTED }),
      ])
      this.#states = statesOf(checkOuts, requests)
      this.#draw()
    } catch (error) {
      this.#failed(error, 'What is checked out and asked for could not be read; ^L tries again.')
    }
  }

  /** Gives it back where it is theirs; else has it for the usual time. */
  async #checkOutOrIn(address: string): Promise<void> {
    const account = parseAccountAddress(address)!
    const own = this.#parts.checkOutsOf(this.#login)
    this.#mode = { is: 'connecting' }
    try {
      this.#message =
        (await own.checkIn(account)) === null ? await this.#checkOut(own, address) : `Returned ${address}.`
    } catch (error) {
      this.#message =
        error instanceof GatewayError ? error.message : this.#failed(error, 'Something broke in the gateway.')
    }
    if (this.#over) return
    this.#mode = { is: 'choosing' }
    await this.#readStates()
  }

  /** What came of it. */
  async #checkOut(own: OwnCheckOuts, address: string): Promise<string> {
    const account = parseAccountAddress(address)!
    let answer = await own.take(account, {})
    if (answer.is === 'needs-code') {
      const code = await this.#ask('One-time code', address, false)
      if (code === undefined || !(await own.proveCode(code))) return `${address}: the one-time code is not right.`
      answer = await own.take(account, {})
    }
    if (answer.is === 'taken') return `${address} is yours until ${isoMinute(Date.parse(answer.checkOut.until))}.`
    if (answer.is === 'needs-code') return `${address}: the one-time code is not right.`
    return `${answer.words} To wait for it: ssh ${this.#login.who.principal.user}@gateway checkout ${address} --wait`
  }

  async #toggle(address: string): Promise<void> {
    this.#marking = true
    try {
      const { user } = this.#login.who.principal
      const favourite = await this.#parts.favourites.toggle(user, parseAccountAddress(address)!)
      const entries = this.#choice.entries
        .map(entry => (entry.address === address ? { ...entry, favourite } : entry))
        .sort(inOrder)
      this.#choice = inView(withEntries(this.#choice, entries), listRows(this.#size))
      this.#message = favourite ? `${address} is a favourite.` : `${address} is no favourite any more.`
    } catch (error) {
      this.#failed(error, 'The favourite could not be stored.')
    }
    this.#marking = false
    this.#draw()
  }

  async #connect(address: string): Promise<void> {
    const { account, target } = parseAccountAddress(address)!
    const leave = new AbortController()
    this.#mode = { is: 'connecting' }
    this.#message = `Connecting to ${address}...`
    this.#draw()
    await this.#screen.settled()
    let begun = false
    /** What was told and stands before the next question. */
    let told: string | undefined
    const outcome = await this.#conversation
      .connect(
        { account, target },
        {
          answer: (wanted, again) => this.#ask(wanted, address, again),
          ask: question => {
            const whole = told === undefined ? question : `${told} ${question}`
            told = undefined
            return this.#askFor(whole, true)
          },
          told: instruction => {
            if (begun) return
            told = instruction
            this.#message = instruction
            this.#mode = { is: 'waiting', leave }
            this.#draw()
          },
          givesUp: leave.signal,
          begun: async () => {
            await this.#screen.settled()
            this.#mode = { is: 'away' }
            begun = true
            await this.#conversation.write(LEAVE)
          },
        },
      )
      .catch(error => this.#failed(error, 'Something broke in the gateway.'))
    if (this.#over) return
    if (begun) await this.#conversation.write(`${RESET}${ENTER}`)
    this.#mode = { is: 'choosing' }
    if (outcome !== undefined) this.#message = outcomeText(address, outcome)
    this.#screen.forget()
    this.#listen()
    await this.#refresh()
  }

  /** Of an account that must be approved, and is reached by another client: it is asked for. */
  async #request(entry: Entry): Promise<void> {
    this.#mode = { is: 'connecting' }
    const ask = (question: string) => this.#askFor(question, true)
    const came = await requestEntry(this.#parts.requestsOf(this.#login), entry, ask).catch(error =>
      this.#failed(error, 'Something broke in the gateway.'),
    )
    if (this.#over) return
    if (came !== undefined) this.#message = came
    this.#mode = { is: 'choosing' }
    await this.#refresh()
  }

  async #ask(wanted: string, address: string, again: boolean): Promise<Secret | undefined> {
    const question = `${again ? 'That was not right. ' : ''}${wanted} for ${address} (Esc gives up): `
    const code = await this.#askFor(question, false)
    return code === undefined ? undefined : new Secret(code)
  }

  #askFor(question: string, shown: boolean): Promise<string | undefined> {
    if (this.#over) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const answered = (typed: string | undefined) => {
        this.#mode = { is: 'connecting' }
        this.#draw()
        resolve(typed)
      }
      this.#mode = { is: 'asking', question, shown, typed: '', answered }
      this.#draw()
    })
  }

  #answer(mode: Extract<Mode, { is: 'asking' }>, keys: readonly Key[]): void {
    for (const key of keys) {
      if (key.kind === 'text')
        mode.typed = [...mode.typed, ...key.text].slice(0, mode.shown ? MOST_WORDS : MOST_CODE).join('')
      else if (key.kind === 'backspace') mode.typed = [...mode.typed].slice(0, -1).join('')
      else if (key.kind === 'erase-line') mode.typed = ''
      else if (key.kind === 'enter' || key.kind === 'escape' || key.kind === 'interrupt') {
        mode.answered(key.kind === 'enter' ? mode.typed.trim() : undefined)
        return
      }
    }
    if (mode.shown) this.#draw()
  }

  #failed(error: unknown, message: string): undefined {
    this.#parts.log.error({ err: error, session: this.#login.id }, 'the menu of a user failed')
    this.#message = message
  }
}

function elsewhere({ address, reachable: { account, target, protocol } }: Entry, user: string): string {
  return `${address} is reached by a client of ${protocol}, as ${user}+${account}+${target}`
}

function questionOf({ question, shown, typed }: Extract<Mode, { is: 'asking' }>): string {
  return shown ? `${question}${printable(typed)}` : question
}
