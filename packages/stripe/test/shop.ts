/**
 * A shop that sells a page over a local Stripe, and what its visitors and its operator see.
 *
 * @module
 */
import { Challenge, Credential, type Errors } from '@polyrail/core'
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import type { LocalStripe } from '@polyrail/sandbox/stripe'
import { stripe as paying } from '@polyrail/stripe/client'
import { stripe as paid } from '@polyrail/stripe/server'
import { Stripe } from 'stripe'
import { beforeEach } from 'vitest'

export const realm = 'shop.example'
export const url = `https://${realm}/page`
export const secretKey = 'a secret of this test, which is long enough'
export const CREATE = 'POST /v1/payment_intents'

export type Options = Partial<paid.charge.Options> & {
  store?: Store.Store
  route?: Partial<paid.charge.Route> & { capture?: 'before' | 'after' }
  config?: Partial<Parameters<typeof Mpp.create>[0]>
  /** Instead of a page that says how many were served, itself among them. */
  page?: (served: number) => Response | Promise<Response>
}

/** The real package, talking to a local Stripe. */
export const connect = (local: LocalStripe.Sandbox, key = local.secretKey) =>
  new Stripe(key, local.options)

/** Opens a shop of one page for half a dollar. */
export function openShop(
  local: LocalStripe.Sandbox,
  { store = Store.memory(), route, config, page: make, ...options }: Options = {},
) {
  const { networkId } = local
  const method = paid.charge({ client: connect(local), networkId, ...options })
  const mpp = Mpp.create({ realm, secretKey, store, ...config, methods: [method] })
  const told: { name: string; cause?: unknown }[] = []
  for (const name of EVENTS) mpp.on(name, (event) => void told.push({ ...event, name }))
  let served = 0
  const page = mpp.charge({ amount: '0.50', ...route })(() => {
    served++
    return make ? make(served) : Response.json({ page: served })
  })
  return {
    mpp,
    page,
    /** Every event, with whatever cause. */
    told,
    served: () => served,
    ask: (authorization?: string) =>
      page(new Request(url, authorization === undefined ? {} : { headers: { authorization } })),
  }
}

export type Shop = ReturnType<typeof openShop>

const EVENTS = [
  'claimed',
  'settled',
  'delivered',
  'replayed',
  'canceled',
  'refunded',
  'rejected',
  'indeterminate',
  'offer-failed',
  'error',
  'warning',
] as const

/** Counts the payments that are captured in each test of a file, in whatever currency. */
export function countCaptures(local: () => LocalStripe.Sandbox): () => number {
  const count = () => Object.values(local().captured).reduce((sum, one) => sum + one.count, 0)
  let before = 0
  beforeEach(() => {
    before = count()
  })
  return () => count() - before
}

/** The one challenge of a 402. */
export function challengeIn(response: Response): Challenge.Challenge {
  const [challenge, ...more] = Challenge.parse(response.headers)
  if (!challenge || more.length > 0) throw new Error(`${more.length} challenges too many or none`)
  return challenge
}

export const write = (challenge: Challenge.Challenge, payload: unknown): string =>
  Credential.serialize({ challenge, payload: payload as Record<string, unknown> })

export const problemOf = async (response: Response): Promise<Errors.Problem> =>
  (await response.clone().json()) as Errors.Problem

/** A token for what a challenge asks, as an agent has it granted. */
export function grant(
  local: LocalStripe.Sandbox,
  { request }: Challenge.Challenge,
  more: Partial<LocalStripe.GrantOptions> = {},
): Promise<string> {
  const { amount, currency } = request as { amount: string; currency: string }
  return local.grant({ amount: BigInt(amount), currency, ...more })
}

/** Asks, has a token granted, and writes the credential. */
export async function prepare(
  local: LocalStripe.Sandbox,
  shop: Shop,
  more: Partial<LocalStripe.GrantOptions> = {},
) {
  const challenge = challengeIn(await shop.ask())
  const spt = await grant(local, challenge, more)
  return { challenge, spt, authorization: write(challenge, { spt }) }
}

/** Buys the page, and keeps what was shown for it. */
export async function buy(
  local: LocalStripe.Sandbox,
  shop: Shop,
  more: Partial<LocalStripe.GrantOptions> = {},
) {
  const prepared = await prepare(local, shop, more)
  return { ...prepared, answer: await shop.ask(prepared.authorization) }
}

/** A client that pays what a route asks, and gets its answers from there. */
export function createClient(
  createToken: paying.charge.Options['createToken'],
  route: (request: Request) => Promise<Response>,
  options: Partial<paying.charge.Options> = {},
) {
  return Client.create({
    methods: [paying.charge({ createToken, ...options })],
    policy: { max: '2.00' },
    fetch: (input, init) => route(new Request(input as string, init)),
    retry: { attempts: 4, timeout: 20_000 },
  })
}
