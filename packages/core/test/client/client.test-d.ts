/**
 * What the compiler knows of a client: methods, nested or not, and the context that they need.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { Mpp, type Account, type Events } from '@polyrail/core/client'
import { expectTypeOf } from 'vitest'
import * as z from 'zod/mini'

const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string() }),
    credential: { payload: z.object({ token: z.string() }) },
  },
})

const plain = Method.toClient(points, {
  createCredential({ challenge, context }) {
    expectTypeOf(challenge.request).toEqualTypeOf<{ amount: string; currency: string }>()
    expectTypeOf(context).toEqualTypeOf<unknown>()
    return { payload: { token: challenge.request.amount } }
  },
})

const optional = Method.toClient<typeof points, { memo?: string }>(points, {
  createCredential: ({ context }) => ({ payload: { token: context.memo ?? '' } }),
})
const required = Method.toClient<typeof points, { session: number }>(points, {
  createCredential: ({ context }) => ({ payload: { token: String(context.session) } }),
})

// Without a context the client's fetch stands in for the platform's.
const free = Mpp.create({ methods: [plain], policy: { max: '1' } })
expectTypeOf(free.fetch).toExtend<(input: string, init?: RequestInit) => Promise<Response>>()
void (() => free.fetch('https://a.b/'))

// An optional context may be left out, and is checked where it is given.
const memo = Mpp.create({ methods: [[plain, optional]] })
void (() => memo.fetch('https://a.b/'))
void (() => memo.fetch('https://a.b/', { context: { memo: 'tea' } }))
// @ts-expect-error -- the memo is text
void (() => memo.fetch('https://a.b/', { context: { memo: 1 } }))

// A required one cannot be forgotten, also for createCredential.
const session = Mpp.create({ methods: [[optional], required], policy: {} })
void (() => session.fetch('https://a.b/', { context: { session: 1, memo: 'tea' }, method: 'POST' }))
void (() => session.createCredential(new Response(), { context: { session: 1 } }))
// @ts-expect-error -- a session is needed
void (() => session.fetch('https://a.b/'))
// @ts-expect-error -- a session is needed
void (() => session.createCredential(new Response(), {}))

free.on('paid', (event) => expectTypeOf(event).toEqualTypeOf<Account>())
free.on('response', (event) => expectTypeOf(event).toEqualTypeOf<Events['response']>())
// @ts-expect-error -- no such event
void (() => free.on('payed', () => {}))
