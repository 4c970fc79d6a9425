/**
 * A card network of which every third call fails, is late, arrives twice or loses its answer, before two servers with one store,
 * whose pages fail and whose answers get lost: what was captured is what was delivered, to the cent, and nobody pays twice.
 *
 * `OUTAGE_RUNS` says how many payments (1,000), `OUTAGE_SEED` repeats a run.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import type { Result, ServerEnabler } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { describe, expect, test } from 'vitest'
import { acquirer, challengeIn, issue, openShop, problemOf, write, type Shop } from './shop.js'

const PAYMENTS = Number(process.env['OUTAGE_RUNS'] ?? 1000)
const SEED = Number(process.env['OUTAGE_SEED'] ?? Date.now() % 2 ** 32)
/** The part of the calls that do not go well. */
const RATE = 0.3
/** The part of the pages that fail when they are made, and of the answers that their visitor never sees. */
const TROUBLE = 0.1
/** Presentations of one credential before its visitor gives up. */
const PATIENCE = 60

/** Cards of visitors; the most can pay. */
const CARDS = [
  'card_visa',
  'card_mastercard',
  'card_amex',
  'card_discover',
  'card_no_cryptogram',
  'card_visa',
  'card_insufficient_funds',
  'card_pending',
]

/** When the money is taken. After the page, every page that fails costs nothing and leaves no second try. */
type Way = 'before' | 'after'
const WAYS: readonly Way[] = ['before', 'after']

/** One visitor: presents one credential, to either server or several times at once, until it is answered. */
async function visit(
  local: LocalCards.Sandbox,
  shops: readonly Shop[],
  { visitor, copies = 1, isLost }: { visitor: number; copies?: number; isLost: () => boolean },
) {
  const pick = (tries: number) => shops[(visitor + tries) % shops.length] as Shop
  const challenge = challengeIn(await pick(0).ask())
  const payload = issue(local, challenge, { cardId: CARDS[visitor % CARDS.length] as string })
  const authorization = write(challenge, payload)
  let [pages, refusals] = [0, 0]
  for (let tries = 0; tries < PATIENCE && pages + refusals === 0; tries++) {
    const answers = await Promise.all(
      Array.from({ length: copies }, (_, copy) => pick(tries + copy).ask(authorization)),
    )
    const outcomes = await Promise.all(answers.map(outcomeOf))
    // No copy of one credential gets what the others contradict, and unknown is never a fresh challenge.
    expect(outcomes.includes('page') && outcomes.includes('refusal')).toBe(false)
    if (isLost()) continue
    if (outcomes.includes('page')) pages++
    else if (outcomes.includes('refusal')) refusals++
    else decide(local, challenge.id)
  }
  return { id: challenge.id, pages, refusals, amount: BigInt(challenge.request.amount) }
}

/** A 409 may say that it was refused before, while nobody saw it; or that a copy is on its way. */
async function outcomeOf(answer: Response): Promise<'page' | 'refusal' | 'unknown'> {
  if (answer.status === 200) return 'page'
  const isOver = answer.status === 409 && (await problemOf(answer)).code === 'verification-failed'
  return isOver || answer.status === 402 ? 'refusal' : 'unknown'
}

/** An issuer decides in the end. */
function decide(local: LocalCards.Sandbox, id: string): void {
  const waiting = local.charges.find(({ key, status }) => idOf(key) === id && status === 'pending')
  if (waiting) local.complete(waiting.key)
}

/** The challenge that a charge is for, whatever a server has put behind it in the key. */
const idOf = (key: string): string => key.split('~')[0] ?? key

type Visit = Awaited<ReturnType<typeof visit>>

/** What must be so after any run. */
function judge(local: LocalCards.Sandbox, visits: readonly Visit[], shops: readonly Shop[]) {
  const paidFor = new Map<string, bigint>()
  for (const { key, captured } of local.charges) {
    const id = idOf(key)
    paidFor.set(id, (paidFor.get(id) ?? 0n) + captured)
  }
  const wrong = visits.filter(
    ({ id, pages, amount }) => (paidFor.get(id) ?? 0n) !== BigInt(pages) * amount,
  )
  expect(wrong, 'captured is not what was delivered').toEqual([])
  const delivered = visits.reduce((sum, { pages, amount }) => sum + BigInt(pages) * amount, 0n)
  const pages = visits.reduce((all, visit) => all + visit.pages, 0)
  const { sum, count } = local.captured['usd'] ?? { sum: 0n, count: 0 }
  expect([sum, count]).toEqual([delivered, pages])
  const held = local.charges.filter(({ status }) => status === 'authorized')
  expect(held, 'money is held for nobody').toEqual([])
  expect(visits.filter((visit) => visit.pages + visit.refusals !== 1)).toEqual([])
  const made = shops.reduce((all, shop) => all + shop.served(), 0)
  return { pages, made, sum, count }
}

/** Two servers with one store for each of two prices, so that a payment for one is none for the other. */
function openAll(
  local: LocalCards.Sandbox,
  breaks: () => boolean,
  { way = 'before', enabler = acquirer(local) }: { way?: Way; enabler?: ServerEnabler } = {},
) {
  const store = Store.memory()
  const open = (amount: string) =>
    openShop(local, { store, route: { amount }, capture: way, breaks, enabler })
  return ['0.50', '1.23'].map((amount) => [open(amount), open(amount)] as const)
}

/** What the servers of a run pay by. */
type Enable = (local: LocalCards.Sandbox) => ServerEnabler

/** One visitor after another: the same seed then strikes the same calls. */
async function run(
  seed: number,
  payments: number,
  { way = 'before', enable = acquirer }: { way?: Way; enable?: Enable } = {},
) {
  await using local = await LocalCards.start({ quiet: true })
  const happens = openTrouble(seed)
  const prices = openAll(local, happens, { way, enabler: enable(local) })
  using chaos = local.chaos({ seed, rate: RATE })
  const visits: Visit[] = []
  for (let visitor = 0; visitor < payments; visitor++)
    visits.push(await visit(local, prices[visitor % 2] ?? [], { visitor, isLost: happens }))
  const totals = judge(local, visits, prices.flat())
  return { ...totals, sequence: [...chaos.sequence], hits: chaos.hits }
}

test.each(WAYS)(
  `${PAYMENTS} payments at two servers, captured %s the page: captured is delivered, to the cent (seed ${SEED})`,
  async (way) => {
    const { pages, made, sum, count, sequence, hits } = await run(SEED, PAYMENTS, { way })
    console.log(`seed ${SEED}: ${hits} of ${sequence.length} calls struck, ${digest(sequence)}`)
    console.log(`seed ${SEED}, captured ${way}: ${pages} pages for ${count} payments, ${sum} cents`)
    // The troubles were real, and did not stop the trade.
    expect(pages).toBeGreaterThan(PAYMENTS / 2)
    // A page made for money that turns out to have been let go is sent to nobody.
    if (way === 'before') expect(made).toBe(pages)
    // A short run may miss some.
    if (PAYMENTS >= 200)
      for (const kind of ['error', 'error done', 'late', 'lost', 'outage', 'refused', 'twice'])
        expect(sequence).toContain(kind)
  },
  600_000,
)

test(`a seed strikes the same calls in the same ways, to the same end (seed ${SEED})`, async () => {
  const [first, second] = [await run(SEED, 60), await run(SEED, 60)]
  expect(second).toEqual(first)
  const other = await run(SEED + 1, 60)
  expect(other.sequence).not.toEqual(first.sequence)
}, 120_000)

test.each(WAYS)(
  `50 visitors at once, captured %s the page, each twice at the same moment (seed ${SEED})`,
  async (way) => {
    await using local = await LocalCards.start({ quiet: true, latency: 5 })
    const happens = openTrouble(SEED)
    const prices = openAll(local, happens, { way })
    using _ = local.chaos({ seed: SEED, rate: RATE })
    const visits = await Promise.all(
      Array.from({ length: 50 }, (__, at) =>
        visit(local, prices[at % 2] ?? [], { visitor: at, copies: 2, isLost: happens }),
      ),
    )
    judge(local, visits, prices.flat())
  },
  120_000,
)

test(`100 payments at an acquirer that leaves calls without an answer (seed ${SEED})`, async () => {
  await using local = await LocalCards.start({ quiet: true })
  const happens = openTrouble(SEED)
  const prices = openAll(local, happens, { enabler: acquirer(local, 300) })
  using chaos = local.chaos({ seed: SEED, rate: 0.15, kinds: ['hang', 'hang done'] })
  const visits: Visit[] = []
  for (let visitor = 0; visitor < 100; visitor++)
    visits.push(await visit(local, prices[visitor % 2] ?? [], { visitor, isLost: happens }))
  judge(local, visits, prices.flat())
  expect(chaos.hits).toBeGreaterThan(5)
}, 120_000)

describe(`the same run catches (seed ${SEED})`, () => {
  const MANY = 300
  const catches = (way: Way, enable: Enable) =>
    expect(run(SEED, MANY, { way, enable })).rejects.toThrow(
      /captured is not what was delivered|money is held/,
    )

  /** A server that never looks a charge up, and has a key of its own for each time that it charges. */
  const charging =
    (keyOf: (id: string, times: number) => string): Enable =>
    (local) => {
      const { name, charge } = acquirer(local)
      const times = new Map<string, number>()
      return {
        name,
        async charge(order, { idempotencyKey: id, signal }) {
          times.set(id, (times.get(id) ?? 0) + 1)
          const idempotencyKey = keyOf(id, times.get(id) ?? 1)
          return { ...(await charge(order, { idempotencyKey, signal })), idempotencyKey: id }
        },
        lookup: async () => undefined,
      }
    }

  test('a server that charges under a new key each time, and not one that keeps to its own', async () => {
    await catches(
      'before',
      charging((id, times) => `${id}~${times}`),
    )
    const { pages } = await run(SEED, MANY, { enable: charging((id) => `${id}~1`) })
    expect(pages).toBeGreaterThan(MANY / 2)
  }, 120_000)

  test.each<[string, (enabler: Required<ServerEnabler>) => Partial<ServerEnabler>]>([
    [
      'forgets to capture',
      ({ lookup }) => ({
        capture: async (...asked) =>
          ({ ...(await lookup(...asked)), status: 'approved' }) as Result,
      }),
    ],
    [
      'forgets to cancel',
      () => ({
        cancel: async (idempotencyKey) => ({ status: 'declined', idempotencyKey }),
      }),
    ],
    [
      'captures what it was to cancel',
      ({ capture }) => ({
        async cancel(idempotencyKey, options) {
          await capture(idempotencyKey, options)
          return { status: 'declined', idempotencyKey }
        },
      }),
    ],
  ])(
    'a server that %s',
    async (_, spoil) => {
      await catches('after', (local) => ({ ...acquirer(local), ...spoil(acquirer(local)) }))
    },
    120_000,
  )
})

/** Says whether something goes wrong, the same each time for a seed: a linear congruential generator. */
function openTrouble(seed: number): () => boolean {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 < TROUBLE
  }
}

/** Names a run: the same seed has the same. */
const digest = (sequence: readonly string[]): string =>
  sequence.reduce((sum, kind) => (Math.imul(sum, 31) + kind.length + 1) >>> 0, 7).toString(16)
