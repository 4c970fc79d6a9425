/**
 * A shop that sells a page over Stellar, and customers who pay it step by step.
 *
 * @module
 */
import { Challenge, Credential } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/stellar'
import { stellar as paying } from '@polyrail/stellar/client'
import { stellar } from '@polyrail/stellar/server'
import type { Keypair } from '@stellar/stellar-sdk'
import { expect } from 'vitest'
import type { Local } from './rail.ts'

export const realm = 'shop.example'
export const url = `https://${realm}/page`
export const secretKey = 'a secret of this test, which is long enough'

export type Options = Parameters<typeof stellar.charge>[0] & {
  store?: Store.Store
  route?: Partial<stellar.charge.Route> | undefined
  /** Seconds that a challenge lives. */
  expires?: number
  /** Milliseconds. */
  settle?: number
  /** In place of the rail. */
  method?: ReturnType<typeof stellar.charge>
}

/** Opens shops on a network. */
export const shops =
  (local: Local) =>
  (options: Options = {}) =>
    open(local, options)

/** A page for a cent, and what a customer does to get it. */
function open(local: Local, options: Options) {
  const { route, store = Store.memory(), settle = 5000, expires = 300, method, ...given } = options
  const rail = method ?? stellar.charge({ ...local.terms, ...given })
  const deadlines = { settle, wait: settle, lease: settle + 1000 }
  const mpp = Mpp.create({ methods: [rail], realm, secretKey, store, deadlines, expires })
  const causes: unknown[] = []
  mpp.on('indeterminate', ({ cause }) => causes.push(cause))
  mpp.on('rejected', ({ cause }) => causes.push(cause))
  let served = 0
  const page = mpp.charge({ amount: '0.01', ...route })(() => Response.json({ served: ++served }))
  const ask = (authorization?: string) =>
    page(new Request(url, authorization === undefined ? {} : { headers: { authorization } }))
  const challenge = async () => {
    const [challenge] = Challenge.parse((await ask()).headers)
    if (!challenge) throw new Error('nothing is asked')
    return challenge as Challenge.Challenge<ChargeRequest>
  }
  return {
    ask,
    /** The page itself. */
    fetch: page,
    causes,
    served: () => served,
    challenge,
    /** A credential of an honest client. */
    async pay(account: Keypair = local.payer, more: object = {}) {
      const methods = [paying.charge({ ...local.wallet, account, ...more })]
      const wallet = Wallet.create({ methods, policy: { max: '1', maxExpiry: expires } })
      return wallet.createCredential(await ask(), { url })
    },
    /** Presents a payload of the test's own, in answer to a challenge. */
    async show(payload: ChargePayload, given?: Challenge.Challenge, source?: string) {
      const { wire } = given ?? (await challenge())
      const named = source === undefined ? {} : { source }
      return ask(Credential.serialize({ challenge: wire, payload, ...named }))
    },
  }
}

/** Takes a credential of an honest client apart. */
export function read(authorization: string) {
  const credential = Credential.deserialize(authorization)
  if (!credential) throw new Error('not a credential')
  return { ...credential, payload: credential.payload as ChargePayload }
}

export async function problem(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const { status, code, detail } = (await response.json()) as Record<string, unknown>
  return { status, code, detail }
}

export const refusal = (detail: RegExp, code = 'verification-failed') => ({
  status: 402,
  code,
  detail: expect.stringMatching(detail),
})
