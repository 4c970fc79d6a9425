/**
 * A shop that sells a page over Lightning, and what its visitors and its operator see.
 *
 * @module
 */
import { Challenge, Credential, type Errors } from '@polyrail/core'
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import type { Wallet } from '@polyrail/lightning'
import { lightning as paying } from '@polyrail/lightning/client'
import { lightning as paid } from '@polyrail/lightning/server'

export const realm = 'shop.example'
export const url = `https://${realm}/page`
export const secretKey = 'a secret of this test, which is long enough'
const network = 'regtest'

export type Options = Partial<paid.charge.Options> & {
  store?: Store.Store
  route?: Partial<paid.charge.Route> & { expires?: number }
  config?: Partial<Parameters<typeof Mpp.create>[0]>
}

/** Opens a shop of one page for ten satoshis. */
export function openShop(
  wallet: Pick<Wallet, 'createInvoice'>,
  { store = Store.memory(), route, config, ...options }: Options = {},
) {
  const method = paid.charge({ wallet, network, ...options })
  const mpp = Mpp.create({ realm, secretKey, store, ...config, methods: [method] })
  const told: unknown[] = []
  for (const name of EVENTS) mpp.on(name, (event) => void told.push(event))
  let served = 0
  const handler = mpp.charge({ amount: '10', ...route })
  const page = handler(() => Response.json({ page: ++served }))
  return {
    mpp,
    method,
    page,
    /** The page in the plain form, whose answers are not kept. */
    async plain(request: Request): Promise<Response> {
      const payment = await handler(request)
      if (payment.status === 402) return payment.challenge
      return payment.withReceipt(Response.json({ page: ++served }))
    },
    /** Every event, with whatever cause. */
    told,
    served: () => served,
    ask: (authorization?: string) =>
      page(new Request(url, authorization === undefined ? {} : { headers: { authorization } })),
  }
}

const EVENTS = [
  'challenge',
  'claimed',
  'settled',
  'delivered',
  'replayed',
  'rejected',
  'indeterminate',
  'offer-failed',
  'error',
  'warning',
] as const

/** The one challenge of a 402. */
export function challengeIn(response: Response): Challenge.Challenge {
  const [challenge, ...more] = Challenge.parse(response.headers)
  if (!challenge || more.length > 0) throw new Error(`${more.length} challenges too many or none`)
  return challenge
}

/** What a challenge asks for, as the rail reads it. */
export const detailsOf = ({ request }: Challenge.Challenge) =>
  request['methodDetails'] as { invoice: string; paymentHash: string; network: string }

export const write = (challenge: Challenge.Challenge, preimage: unknown): string =>
  Credential.serialize({ challenge, payload: { preimage } })

export const problemOf = async (response: Response): Promise<Errors.Problem> =>
  (await response.clone().json()) as Errors.Problem

/** Pays a challenge as a wallet does, and returns the preimage. */
export async function settle(wallet: Wallet, challenge: Challenge.Challenge): Promise<string> {
  const { invoice, paymentHash } = detailsOf(challenge)
  const order = { invoice, paymentHash, maxFeeMsat: 10_000n, timeoutSeconds: 10 }
  const payment = await wallet.payInvoice(order)
  if (payment.status !== 'paid') throw new Error(`not paid: ${payment.status}`)
  return payment.preimage
}

/** A client that pays what a route asks, and gets its answers from there. */
export function createClient(
  wallet: paying.charge.Options['wallet'],
  route: (request: Request) => Promise<Response>,
  options: Partial<paying.charge.Options> = {},
) {
  return Client.create({
    methods: [paying.charge({ wallet, network, ...options })],
    policy: { max: '1000' },
    fetch: (input, init) => route(new Request(input as string, init)),
    retry: { attempts: 3, timeout: 5000 },
  })
}
