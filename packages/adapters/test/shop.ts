/** The shop that every framework builds: its rails, its books, and what the tests do to it from outside. */
import type { Refund } from '@polyrail/core'
import { Method, Store, type Outcome } from '@polyrail/core/server'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { z } from 'zod'

const schema = {
  request: z.object({ amount: z.string().regex(/^[1-9]\d*$/), currency: z.string() }),
  credential: { payload: z.object({ token: z.string() }) },
}
const points = Method.from({ name: 'points', intent: 'charge', schema })
const gold = Method.from({ name: 'gold', intent: 'charge', schema })
const silver = Method.from({ name: 'silver', intent: 'charge', schema })

export const price = { amount: '10', currency: 'pts' }

type Presented = { credential: { payload: { token: string } } }
type Setting = {
  /** What moves the money in the shop's stead. */
  hooks?: {
    replayKey(presented: Presented): string
    settle(presented: Presented): Promise<Outcome.Outcome | { reference: string }>
    reconcile?(presented: Presented): Promise<Outcome.Outcome>
    capture?(presented: Presented): Promise<Outcome.Outcome>
    cancel?(presented: Presented): Promise<Outcome.Outcome>
    refund?(asked: Refund.Asked): Promise<Refund.Refund>
    defaults?: { capture: 'before' | 'after' }
  }
  store?: Store.Store
  deadlines?: { settle: number; wait: number; lease: number }
  /** Makes the page of a user. */
  user?(id: string): Promise<string>
}

/** Keeps its books in plain sight. */
export function createShop(setting: Setting = {}) {
  const settled: string[] = []
  const hooks = setting.hooks ?? {
    replayKey: ({ credential }: Presented) => credential.payload.token,
    settle: async ({ credential }: Presented) => {
      settled.push(credential.payload.token)
      return { reference: credential.payload.token }
    },
  }
  const methods = [
    Method.toServer(points, hooks),
    Method.toServer(gold, hooks),
    Method.toServer(silver, hooks),
  ] as const
  return {
    settled,
    /** What the applications were asked for, in turn. */
    runs: [] as string[],
    /** The next run of `/throws` throws. */
    isBroken: true,
    /** What `/slow` waits for, and how the tests know that it does. */
    works: () => undefined as void,
    goesOn: Promise.resolve() as Promise<unknown>,
    user: setting.user ?? (async (id: string) => `user ${id}`),
    config: {
      methods,
      realm: 'api.example.com',
      secretKey: 'a secret of tests, forty bytes and longer',
      store: setting.store ?? Store.memory(),
      deadlines: setting.deadlines ?? { settle: 1000, wait: 1200, lease: 30_000 },
    },
  }
}

export type Shop = ReturnType<typeof createShop>

/** The routes that a framework's shop has under `/before` and `/around`. */
export const words = ['one ', 'two ', 'three'] as const

export async function page(shop: Shop, path: string): Promise<string> {
  shop.runs.push(path)
  if (path === '/throws' && shop.isBroken) throw new Error('inner workings')
  if (path === '/slow') {
    shop.works()
    await shop.goesOn
  }
  return 'the page'
}

/** A body in three parts, each when the one before is long gone. */
export async function* slowly(): AsyncGenerator<string> {
  for (const word of words) {
    yield word
    await new Promise((passed) => setTimeout(passed, 100))
  }
}

/** As a stream of the web. */
export const stream = (parts: AsyncGenerator<string>): ReadableStream<Uint8Array> =>
  new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(new TextEncoder().encode(value))
    },
  })

export async function* events(): AsyncGenerator<string> {
  for await (const word of slowly()) yield `data: ${word.trim()}\n\n`
}

/** A framework, as the tests see it. */
export type Framework = {
  name: string
  /** True where it tells its handlers the pattern of their route. */
  hasPatterns: boolean
  /** True where code runs before the guard, such as CORS' own. */
  hasMiddleware: boolean
  /** `before` asks ahead of the handler, and `around` wraps it. */
  forms: readonly ('before' | 'around')[]
  /** True where the form that asks ahead records answers too. */
  recordsBefore: boolean
  protocols: readonly ('HTTP/1.1' | 'HTTP/2')[]
  /** Left out for HTTP/1.1. */
  open(shop: Shop, protocol?: 'HTTP/2'): Promise<Opened>
}

export type Opened = { origin: string; close(): Promise<unknown> }

/** Opens a server of Node on a port of its own. */
export async function listen(server: NetServer): Promise<Opened> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      if ('closeAllConnections' in server) (server.closeAllConnections as () => void)()
      return new Promise((closed) => server.close(closed))
    },
  }
}
