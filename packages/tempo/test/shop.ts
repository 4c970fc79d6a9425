/**
 * A shop that sells a page over Tempo, and customers who pay it step by step.
 *
 * @module
 */
import { Challenge, Credential } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import type { Tempo } from '@polyrail/sandbox/tempo'
import type { ChargeRequest } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo } from '@polyrail/tempo/server'
import { Transaction } from 'viem/tempo'
import { expect } from 'vitest'
import { resign, type start } from './rail.ts'

export const realm = 'shop.example'
const url = `https://${realm}/page`
export const secretKey = 'a secret of this test, which is long enough'
export type Bytes = `0x${string}`

export type Options = Parameters<typeof tempo.charge>[0] & {
  store?: Store.Store
  route?: Partial<tempo.charge.Route> | undefined
  settle?: number
  /** In place of the rail. */
  method?: ReturnType<typeof tempo.charge>
}

/** Opens shops on a chain, and hands customers their tools. */
export const shops =
  (local: Awaited<ReturnType<typeof start>>) =>
  (options: Options = {}) =>
    open(local, options)

/** A page for a cent, and a customer who pays for it step by step. */
function open(local: Awaited<ReturnType<typeof start>>, options: Options) {
  const { route, store = Store.memory(), settle = 5000, method: own, ...given } = options
  const method = own ?? tempo.charge({ recipient: local.shop.address, ...local.at, ...given })
  const deadlines = { settle, wait: 1000, lease: settle + 1000 }
  const mpp = Mpp.create({ methods: [method], realm, secretKey, store, deadlines })
  const causes: unknown[] = []
  mpp.on('indeterminate', ({ cause }) => causes.push(cause))
  mpp.on('rejected', ({ cause }) => causes.push(cause))
  let served = 0
  const page = mpp.charge({ amount: '0.01', ...route })(() => Response.json({ served: ++served }))
  const ask = (authorization?: string) =>
    page(new Request(url, authorization === undefined ? {} : { headers: { authorization } }))
  const answer = (
    challenge: Credential.Credential['challenge'],
    payload: object,
    source?: string,
  ) => ask(Credential.serialize({ challenge, payload, ...(source !== undefined && { source }) }))
  return {
    ask,
    causes,
    served: () => served,
    /** An honest credential, and what it consists of. */
    async pay(account: Tempo.LocalAccount = local.payer, more: object = {}) {
      const wallet = Wallet.create({
        methods: [paying.charge({ account, ...local.at, ...given, ...more })],
        policy: { max: '1' },
      })
      return wallet.createCredential(await ask(), { url })
    },
    /** Presents the honest credential with another transaction. */
    async present(
      change: object,
      { account = local.payer, source }: { account?: Tempo.LocalAccount; source?: string } = {},
    ) {
      const credential = read(await this.pay())
      const raw = await resign(credential.raw, change, account)
      return this.show(credential, raw, source)
    },
    show: (
      { challenge }: Pick<ReturnType<typeof read>, 'challenge'>,
      raw: string,
      source?: string,
    ) => answer(challenge, { type: 'transaction', signature: raw }, source),
    answer,
    /** What a visitor is asked. */
    async challenge() {
      const [challenge] = Challenge.parse((await ask()).headers)
      if (!challenge) throw new Error('nothing is asked')
      return challenge as Challenge.Challenge<ChargeRequest>
    },
  }
}

/** Takes a credential of an honest client apart. */
export function read(authorization: string) {
  const credential = Credential.deserialize(authorization)
  if (!credential) throw new Error('not a credential')
  const { signature: raw } = credential.payload as { signature: Bytes }
  return { ...credential, raw, fields: Transaction.deserialize(raw as `0x76${string}`) }
}

export async function problem(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const { status, code, detail } = (await response.json()) as Record<string, unknown>
  return { status, code, detail }
}

export const refusal = (code: string, detail: RegExp) => ({
  status: 402,
  code,
  detail: expect.stringMatching(detail),
})
