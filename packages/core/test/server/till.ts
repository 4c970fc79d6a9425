/**
 * A till for the server's tests: a rail that keeps its books in plain sight, and the moves of a payer.
 *
 * @module
 */
import { Challenge, Credential, type Errors } from '@polyrail/core'
import { Method, Mpp, Outcome, Store } from '@polyrail/core/server'
import { z } from 'zod'

export const realm = 'api.example.com'
export const secretKey = 'a secret of tests, forty bytes and longer'
export const url = 'https://api.example.com/paid'

const schema = {
  request: z.object({ amount: z.string().regex(/^[1-9]\d*$/), currency: z.string() }),
  credential: { payload: z.object({ token: z.string() }) },
}

const points = Method.from({ name: 'points', intent: 'charge', schema })
export const price = { amount: '10', currency: 'pts' }

type Points = typeof points
type Hooks = Partial<Method.toServer.Options<Points, { amount: string; currency: string }, unknown>>

/** A rail in the split form. Tokens that begin with "bad" are no good; the rest settle and are noted. */
export function createRail(hooks: Hooks = {}, method: Points = points) {
  const settled: string[] = []
  const server = Method.toServer<Points, { amount: string; currency: string }, unknown>(method, {
    validate: ({ credential }) =>
      credential.payload.token.startsWith('bad') ? Outcome.rejected('verification-failed') : true,
    replayKey: ({ credential }) => credential.payload.token,
    settle: async ({ credential }) => {
      settled.push(credential.payload.token)
      return { reference: `ref-${credential.payload.token}` }
    },
    ...hooks,
  })
  return { server, settled }
}

/** A rail of another name. */
export const named = (name: string): Points =>
  Method.from({ name, intent: 'charge', schema }) as unknown as Points

type Config = Omit<Parameters<typeof Mpp.create>[0], 'methods'>

/** A server with one such rail. */
export function createTill(hooks: Hooks = {}, config: Config = {}) {
  const rail = createRail(hooks)
  const store = config.store ?? Store.memory()
  const mpp = Mpp.create({ realm, secretKey, store, ...config, methods: [rail.server] })
  // With nobody listening, what tests break on purpose would fill the console.
  mpp.on('error', () => undefined)
  return { mpp, store, ...rail }
}

export type Route = (request: Request) => Promise<Response>

const ok = (): Response => Response.json({ data: 'paid for' })

/** The plain form as a route. */
export function plain(
  handler: Mpp.Handler,
  application: (payment: Mpp.Payment) => Response | Promise<Response> = ok,
): Route {
  return async (request) => {
    const payment = await handler(request)
    if (payment.status === 402) return payment.challenge
    return payment.withReceipt(await application(payment))
  }
}

/** What an unpaid request is offered. */
export async function challengesOf(
  route: Route,
  request = new Request(url),
): Promise<Challenge.Challenge[]> {
  return Challenge.parse((await route(request)).headers)
}

/** The only challenge of an unpaid request. */
export async function challengeOf(route: Route, request?: Request): Promise<Challenge.Challenge> {
  const [challenge, ...more] = await challengesOf(route, request)
  if (!challenge || more.length > 0)
    throw new Error(`The route offered ${challenge ? 'several' : 'no'} challenges.`)
  return challenge
}

let tokens = 0
export const newToken = (): string => `token-${process.pid}-${++tokens}`

/** An `Authorization` value that pays a challenge. */
export const credential = (
  challenge: Challenge.Challenge | Challenge.Wire,
  token = newToken(),
  source?: string,
): string => Credential.serialize({ challenge, payload: { token }, source })

/** A request with a credential. */
export const present = (authorization: string, init: RequestInit = {}, to = url): Request => {
  const headers = new Headers(init.headers)
  headers.set('authorization', authorization)
  return new Request(to, { ...init, headers })
}

/** Buys once: asks, pays and asks again. */
export async function buy(
  route: Route,
  token?: string,
): Promise<{ response: Response; authorization: string }> {
  const authorization = credential(await challengeOf(route), token)
  return { response: await route(present(authorization)), authorization }
}

/** The problem of a refusal, after the checks that every refusal must stand. */
export async function problemOf(response: Response): Promise<Errors.Problem> {
  const challenged = response.headers.has('www-authenticate')
  if (response.headers.get('content-type') !== 'application/problem+json')
    throw new Error('A refusal is a problem document.')
  if (response.headers.get('cache-control') !== 'no-store')
    throw new Error('A refusal is never cached.')
  if (response.headers.has('payment-receipt')) throw new Error('A refusal carries no receipt.')
  if (challenged !== (response.status === 402))
    throw new Error(`A ${response.status} ${challenged ? 'carries' : 'lacks'} a challenge.`)
  const problem = (await response.json()) as Errors.Problem
  if (problem.status !== response.status) throw new Error('The problem tells another status.')
  return problem
}

/** Status and code of a refusal, short for comparisons. */
export async function refusal(response: Response | Promise<Response>): Promise<[number, string]> {
  const answer = await response
  return [answer.status, (await problemOf(answer)).code]
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

/** A promise to be kept from outside. */
export function gate<value = void>() {
  let open!: (value: value) => void
  const passed = new Promise<value>((resolve) => {
    open = resolve
  })
  return { open, passed }
}

/** What a caller whose compiler does not look may pass. */
export const untyped = <type>(value: unknown): type => value as type
