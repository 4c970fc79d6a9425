import { Receipt } from '@polyrail/core'
import { Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import {
  challengeOf,
  createRail,
  credential,
  plain,
  present,
  price,
  realm,
  refusal,
  secretKey,
  sleep,
  type Route,
} from './till.js'

/** Numbers that look random, others for each seed. */
function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** A backend that is slow, and now and then fails before or after it acts. */
function createBackend(dice: () => number, trouble: () => boolean): Store.Store {
  const rows = new Map<string, string>()
  const step = async <value>(act: () => value): Promise<value> => {
    await sleep(dice() * 3)
    if (trouble() && dice() < 0.08) throw new Error('lost on the way there')
    const value = act()
    if (dice() < 0.5) await sleep(dice() * 3)
    if (trouble() && dice() < 0.08) throw new Error('lost on the way back')
    return value
  }
  return Store.from({
    name: 'backend',
    get: (key) => step(() => rows.get(key)),
    set: (key, value) => step(() => rows.set(key, value)),
    delete: (key) => step(() => rows.delete(key)),
    compareAndSet: (key, expected, next) =>
      step(() => rows.get(key) === expected && Boolean(rows.set(key, next))),
  })
}

/** A network that moves money when told to, late, or not at all, and answers the truth when asked. */
function createNetwork(dice: () => number, trouble: () => boolean) {
  const moved = new Map<string, number>()
  const underway = new Map<string, number>()
  return {
    moved,
    async settle(token: string): Promise<Outcome.Outcome> {
      underway.set(token, (underway.get(token) ?? 0) + 1)
      try {
        await sleep(dice() * (trouble() ? 60 : 5))
        if (trouble() && dice() < 0.2) return Outcome.unsettled()
        moved.set(token, (moved.get(token) ?? 0) + 1)
        await sleep(dice() * 5)
        if (trouble() && dice() < 0.2) throw new Error('the answer was lost')
        return Outcome.settled({ reference: `receipt of ${token}` })
      } finally {
        underway.set(token, (underway.get(token) ?? 1) - 1)
      }
    },
    async reconcile(token: string): Promise<Outcome.Outcome> {
      await sleep(dice() * 5)
      if (trouble() && dice() < 0.2) throw new Error('cannot be asked now')
      if (moved.has(token)) return Outcome.settled({ reference: `receipt of ${token}` })
      return (underway.get(token) ?? 0) > 0 ? Outcome.indeterminate() : Outcome.unsettled()
    },
  }
}

type World = { routes: Route[]; moved: Map<string, number> }
type Form = 'plain' | 'wrapped'

/** Two servers on one backend and one network, in whatever trouble there is. */
function createWorld(dice: () => number, trouble: () => boolean, form: Form = 'plain'): World {
  const store = createBackend(dice, trouble)
  const network = createNetwork(dice, trouble)
  const application = () =>
    trouble() && dice() < 0.2 ? new Response('broken', { status: 500 }) : new Response('the page')
  const routes = [0, 1].map(() => {
    const { server } = createRail({
      settle: ({ credential: { payload } }) => network.settle(payload.token),
      reconcile: ({ credential: { payload } }) => network.reconcile(payload.token),
    })
    const mpp = Mpp.create({
      methods: [server],
      realm,
      secretKey,
      store,
      deadlines: { settle: 40, wait: 15, lease: 120 },
    })
    mpp.on('error', () => undefined)
    const handler = mpp.charge(price)
    return form === 'plain' ? plain(handler, application) : handler(application)
  })
  return { routes, moved: network.moved }
}

/** A payer who does not give up. */
async function insist(
  { routes }: World,
  authorization: string,
  dice: () => number,
): Promise<string> {
  for (let visit = 0; visit < 60; visit++) {
    const answer = await (routes[Math.floor(dice() * 2)] as Route)(present(authorization))
    if (answer.status === 200)
      return `${Receipt.fromResponse(answer)?.reference}: ${await answer.text()}`
    if (answer.status === 402) return (await refusal(answer))[1]
    expect([409, 500, 503]).toContain(answer.status)
    await sleep(5 + dice() * 10)
  }
  return 'never'
}

describe('two servers, a slow store and a network, all in trouble', () => {
  const SEEDS = Number(process.env['MONEY_SEEDS'] ?? 40)

  const page = 'receipt of mine: the page'

  test.each(['plain', 'wrapped'] as const)(
    `whatever goes wrong, money moves once and the payer gets the page, %s (${SEEDS} courses of events) (threat 2) (threat 9) (threat 10)`,
    async (form) => {
      const courses = Array.from({ length: SEEDS }, async (_, seed) => {
        const dice = createDice(seed + 1)
        const state = { trouble: true }
        const world = createWorld(dice, () => state.trouble, form)
        const authorization = credential(await challengeOf(world.routes[0] as Route), 'mine')
        const copies = [insist(world, authorization, dice), insist(world, authorization, dice)]
        setTimeout(() => (state.trouble = false), 400)
        const answers = await Promise.all(copies)
        expect({ seed, moved: world.moved.get('mine') }).toEqual({ seed, moved: 1 })
        expect(answers).toContain(page)
        // The plain form keeps no answer: the other copy may find the challenge used.
        const others = form === 'plain' ? [page, 'invalid-challenge'] : [page]
        for (const answer of answers) expect(others).toContain(answer)
      })
      await Promise.all(courses)
    },
    60_000,
  )

  test(`one proof on two challenges pays one of them at most (${SEEDS} courses of events) (threat 3)`, async () => {
    const courses = Array.from({ length: SEEDS }, async (_, seed) => {
      const dice = createDice(1000 + seed)
      const state = { trouble: true }
      const world = createWorld(dice, () => state.trouble)
      const [one, two] = [
        await challengeOf(world.routes[0] as Route),
        await challengeOf(world.routes[1] as Route),
      ]
      setTimeout(() => (state.trouble = false), 400)
      const answers = await Promise.all(
        [one, two].map((challenge) => insist(world, credential(challenge, 'mine'), dice)),
      )
      expect({ seed, moved: world.moved.get('mine') ?? 0 }).toEqual({ seed, moved: 1 })
      expect(answers.filter((answer) => answer.startsWith('receipt')).length).toBeLessThanOrEqual(1)
    })
    await Promise.all(courses)
  }, 60_000)
})
