import t from 'tap'
import { BusyPolling, type Machine } from '../../../../src/protocols/relaying/busy-polling.ts'

/** A machine whose time goes on by a hundredth of a millisecond with each turn of the event loop. */
function machineWith({ cores = 2, running = 1 } = {}) {
  let now = 1000
  let next: (() => void) | undefined
  const machine = {
    cores,
    load: running,
    running: (): number | undefined => machine.load,
    now: () => now,
    turn(callback: () => void) {
      if (next !== undefined) throw new Error('polls twice at once')
      next = callback
    },
    /** Lets time pass; gives how much of it was polled through. */
    wait(ms: number): number {
      const end = now + ms
      let polled = 0
      while (next !== undefined && now < end - 1e-9) {
        const poll = next
        next = undefined
        now += 0.01
        polled += 0.01
        poll()
      }
      now = end
      return polled
    },
  } satisfies Machine & Record<string, unknown>
  return machine
}

/** Questions and answers in turn, so far apart; gives how much of the time was polled through. */
function talk(
  polling: BusyPolling,
  machine: ReturnType<typeof machineWith>,
  messages: number,
  apartMs: number,
): number {
  let polled = 0
  for (let i = 0; i < messages; i++) {
    polling.passed(session, i % 2 === 0)
    polled += machine.wait(apartMs)
  }
  return polled / (messages * apartMs)
}

const session = {}

t.test('quick turns of one session are polled through', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  t.ok(talk(polling, machine, 1000, 0.1) > 0.95)
  t.ok(talk(polling, machine, 200, 0.19) > 0.95)
})

t.test('it ends by itself, when nothing comes', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  talk(polling, machine, 40, 0.1)
  const polled = machine.wait(1000)
  t.ok(polled > 0 && polled < 0.3, `${polled} ms were polled`)
})

t.test('who is slower than any polling is waited for asleep', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  t.equal(talk(polling, machine, 200, 0.5), 0)
  talk(polling, machine, 40, 0.1)
  t.ok(talk(polling, machine, 100, 1) < 0.01, 'also after quick turns')
})

t.test('a person who types, answered quickly: next to nothing', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  let polled = 0
  for (let i = 0; i < 100; i++) {
    polling.passed(session, true)
    polled += machine.wait(0.1)
    polling.passed(session, false)
    polled += machine.wait(1000)
  }
  t.ok(polled / 100 < 0.1, `${polled / 100} ms for each question`)
})

t.test('several sessions: the event loop sleeps as it always does', async t => {
  for (const statements of [1, 2, 5]) {
    const machine = machineWith()
    const polling = new BusyPolling(machine)
    const other = {}
    let polled = 0
    for (let i = 0; i < 400; i++) {
      polling.passed(Math.floor(i / 2 / statements) % 2 === 0 ? session : other, i % 2 === 0)
      polled += machine.wait(0.1)
    }
    t.equal(polled, 0, `${statements} statements of each in turn`)
  }
})

t.test('what comes in one direction only is waited for asleep', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  talk(polling, machine, 100, 0.1)
  let polled = 0
  for (let i = 0; i < 400; i++) {
    polling.passed(session, false)
    polled += machine.wait(0.1)
  }
  t.ok(polled < 0.3, `${polled} ms`)
})

t.test('a machine that does not tell is taken for a busy one', async t => {
  const machine = { ...machineWith(), running: () => undefined }
  const polling = new BusyPolling(machine)
  t.ok(talk(polling, machine, 20_000, 0.1) < 0.1)
})

t.test('a machine that is busy is left alone, and asked again', async t => {
  const machine = machineWith({ running: 4 })
  const polling = new BusyPolling(machine)
  t.ok(talk(polling, machine, 20_000, 0.1) < 0.1)
  machine.load = 2
  t.ok(talk(polling, machine, 20_000, 0.1) > 0.85)
  machine.load = 3
  t.ok(talk(polling, machine, 20_000, 0.1) < 0.1)
})

t.test('a moment of load changes nothing', async t => {
  const machine = machineWith()
  const polling = new BusyPolling(machine)
  talk(polling, machine, 3000, 0.1)
  machine.load = 4
  talk(polling, machine, 200, 0.1)
  machine.load = 1
  t.ok(talk(polling, machine, 3000, 0.1) > 0.95)
})
