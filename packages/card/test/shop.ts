/**
 * A shop that sells a page by card on a local card network, and what its visitors and its operator see.
 *
 * @module
 */
import { Challenge, Credential, Receipt, type Errors } from '@polyrail/core'
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/card'
import { card as paying, httpEnabler as vaultOver } from '@polyrail/card/client'
import { card as paid, httpEnabler as acquirerOver } from '@polyrail/card/server'
import type { LocalCards } from '@polyrail/sandbox/card'
import { beforeEach } from 'vitest'

const realm = 'shop.example'
export const url = `https://${realm}/page`
export const secretKey = 'a secret of this test, which is long enough'
export const CHARGE = 'POST /v1/charges'
export const LOOKUP = 'GET /v1/charges/:key'

type ServerOptions = Parameters<typeof paid.charge>[0]

export type Options = Partial<Omit<ServerOptions, 'key' | 'jwksUri' | 'kid'>> & {
  key?: NonNullable<ServerOptions['key']> | undefined
  /** In place of the acquirer's present key. */
  keySet?: { jwksUri: string; kid: string | (() => string | Promise<string>) }
  store?: Store.Store
  /** Milliseconds for one call of the acquirer. */
  timeout?: number
  route?: Partial<paid.charge.Route> & { capture?: 'before' | 'after' }
  /** Whether the page fails this time. */
  breaks?: () => boolean
  /** Instead of a page that says how many were served, itself among them. */
  page?: (served: number) => Response | Promise<Response>
  config?: Partial<Parameters<typeof Mpp.create>[0]>
}

/** The acquirer of a local network, over HTTP. */
export const acquirer = (local: LocalCards.Sandbox, timeout = 5000) =>
  acquirerOver({ ...local.acquirer, timeout })

/** Opens a shop of one page for half a dollar. */
export function openShop(
  local: LocalCards.Sandbox,
  {
    store = Store.memory(),
    timeout,
    route,
    config,
    key,
    keySet,
    breaks,
    page: make,
    ...options
  }: Options = {},
) {
  const method = paid.charge({
    enabler: acquirer(local, timeout),
    merchantName: 'Shop',
    ...(keySet ?? { key: key ?? (() => local.key) }),
    ...options,
  })
  const mpp = Mpp.create({ realm, secretKey, store, ...config, methods: [method] })
  const told: { name: string; cause?: unknown }[] = []
  for (const name of EVENTS) mpp.on(name, (event) => void told.push({ ...event, name }))
  let served = 0
  const page = mpp.charge({ amount: '0.50', ...route })(() => {
    if (breaks?.()) return new Response(null, { status: 500 })
    served++
    return make ? make(served) : Response.json({ page: served })
  })
  return {
    mpp,
    page,
    store,
    /** Every event, with whatever cause. */
    told,
    served: () => served,
    ask: (authorization?: string) =>
      page(new Request(url, authorization === undefined ? {} : { headers: { authorization } })),
  }
}

export type Shop = ReturnType<typeof openShop>

const EVENTS = [
  'challenge',
  'claimed',
  'settled',
  'delivered',
  'owed',
  'replayed',
  'canceled',
  'refunded',
  'late',
  'rejected',
  'indeterminate',
  'offer-failed',
  'error',
  'warning',
] as const

/** Counts the payments that are captured in each test of a file, in whatever currency. */
export function countCaptures(local: () => LocalCards.Sandbox): () => number {
  const count = () => Object.values(local().captured).reduce((sum, one) => sum + one.count, 0)
  let before = 0
  beforeEach(() => {
    before = count()
  })
  return () => count() - before
}

/** The one challenge of a 402. */
export function challengeIn(response: Response): Challenge.Challenge<ChargeRequest> {
  const [challenge, ...more] = Challenge.parse(response.headers)
  if (!challenge || more.length > 0) throw new Error(`${more.length} challenges too many or none`)
  return challenge as Challenge.Challenge<ChargeRequest>
}

export const write = (challenge: Challenge.Challenge, payload: unknown): string =>
  Credential.serialize({ challenge, payload: payload as Record<string, unknown> })

export const problemOf = async (response: Response): Promise<Errors.Problem> =>
  (await response.clone().json()) as Errors.Problem

export const receiptOf = (response: Response): Readonly<Record<string, unknown>> | undefined =>
  Receipt.fromResponse(response)

/** A payload for what a challenge asks, as the vault makes it. */
export function issue(
  local: LocalCards.Sandbox,
  { request }: Challenge.Challenge<ChargeRequest>,
  more: Partial<LocalCards.IssueOptions> = {},
): ChargePayload {
  const { amount, currency, methodDetails } = request
  const { encryptionJwk, billingRequired = false } = methodDetails
  return local.issue({
    amount,
    currency,
    billingRequired,
    ...(encryptionJwk && { key: encryptionJwk }),
    ...more,
  }) as ChargePayload
}

/** Asks, has a token made, and writes the credential. */
export async function prepare(
  local: LocalCards.Sandbox,
  shop: Shop,
  more: Partial<LocalCards.IssueOptions> = {},
) {
  const challenge = challengeIn(await shop.ask())
  const payload = issue(local, challenge, more)
  return { challenge, payload, authorization: write(challenge, payload) }
}

/** Buys the page, and keeps what was shown for it. */
export async function buy(
  local: LocalCards.Sandbox,
  shop: Shop,
  more: Partial<LocalCards.IssueOptions> = {},
) {
  const prepared = await prepare(local, shop, more)
  return { ...prepared, answer: await shop.ask(prepared.authorization) }
}

/** A client that pays what a route asks, and gets its answers from there. */
export function createClient(
  local: LocalCards.Sandbox,
  route: (request: Request) => Promise<Response>,
  options: Partial<paying.charge.Options> = {},
) {
  return Client.create({
    methods: [paying.charge({ enabler: vaultOver(local.vault), cardId: 'card_visa', ...options })],
    policy: { max: '2.00' },
    fetch: (input, init) => route(new Request(input as string, init)),
    retry: { attempts: 4, timeout: 20_000 },
  })
}
