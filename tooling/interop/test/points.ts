/**
 * A method of one's own in both SDKs: tokens that a bank takes, once each.
 *
 * @module
 */
import { Errors as OurErrors, Method as OurMethod, Receipt as OurReceipt } from '@polyrail/core'
import { Mpp as OurWallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { Credential, Errors, Method, Receipt } from 'mppx'
import { Mppx as Wallet } from 'mppx/client'
import { Mppx } from 'mppx/server'
import { object, string } from 'zod/mini'
import { realm, secretKey, type Guard } from './page.js'

/** Prices by method name. */
export type Prices = Record<string, string>

export type Bank = ReturnType<typeof createBank>

/** Gives out tokens, and takes each once. */
export function createBank() {
  const issued = new Set<string>()
  const taken: { token: string; method: string; amount: string }[] = []
  return {
    taken,
    issue() {
      const token = crypto.randomUUID()
      issued.add(token)
      return token
    },
    /** Says what it took as; nothing when the token is not good, or not good any more. */
    take(token: string, method: string, amount: string) {
      if (!issued.delete(token)) return undefined
      taken.push({ token, method, amount })
      return `taken-${token}`
    },
  }
}

export type Side = {
  name: string
  /** @param terms - What the SDK's routes may say besides, such as a description. */
  guard(prices: Prices, bank: Bank, terms?: Record<string, unknown>): Guard
  /** Pays by the methods that it is told, with tokens of the bank. */
  wallet(
    methods: readonly string[],
    bank: Bank,
  ): {
    fetch(url: string, init?: RequestInit): Promise<Response>
    sign(response: Response, url: string, init?: RequestInit): Promise<string>
    receipt(response: Response): { reference: string } | undefined
    /** How many offers each 402 made. */
    offers: number[]
  }
}

const define = (name: string) => ({
  name,
  intent: 'charge' as const,
  schema: {
    request: object({ amount: string(), currency: string() }),
    credential: { payload: object({ token: string() }) },
  },
})

export const ours: Side = {
  name: 'ours',
  guard(prices, bank, terms) {
    const methods = Object.keys(prices).map((name) =>
      OurMethod.toServer(OurMethod.from(define(name)), {
        async verify({ credential, challenge }) {
          const reference = bank.take(credential.payload.token, name, challenge.request.amount)
          if (reference === undefined) throw new OurErrors.PaymentError('verification-failed')
          return { reference }
        },
      }),
    )
    const mpp = Mpp.create({ methods, realm, secretKey })
    const offers = Object.entries(prices).map(
      ([name, amount]) => [`${name}/charge`, { amount, currency: name, ...terms }] as const,
    )
    return Mpp.toNodeListener(mpp.compose(...offers))
  },
  wallet(names, bank) {
    const methods = names.map((name) =>
      OurMethod.toClient(OurMethod.from(define(name)), {
        createCredential: () => ({ payload: { token: bank.issue() } }),
      }),
    )
    const mpp = OurWallet.create({ methods, policy: { max: '100' } })
    const seen: number[] = []
    mpp.on('challenge', ({ offers }) => seen.push(offers.length))
    return {
      offers: seen,
      fetch: (url, init) => mpp.fetch(url, init),
      sign: (response, url, init = {}) => mpp.createCredential(response, { url, ...init }),
      receipt: OurReceipt.fromResponse,
    }
  },
}

export const deployed: Side = {
  name: 'the deployed SDK',
  guard(prices, bank, terms) {
    const mpp = Mppx.create({ methods: deployedMethods(prices, bank), realm, secretKey })
    const offers = Object.entries(prices).map(
      ([name, amount]) => [`${name}/charge`, { amount, currency: name, ...terms }] as const,
    )
    return Mppx.toNodeListener(mpp.compose(...offers))
  },
  wallet(names, bank) {
    const methods = names.map((name) =>
      Method.toClient(Method.from(define(name)), {
        createCredential: async ({ challenge }) =>
          Credential.serialize({ challenge, payload: { token: bank.issue() } }),
      }),
    )
    const mpp = Wallet.create({ methods, polyfill: false })
    const seen: number[] = []
    mpp.onChallengeReceived(({ challenges }) => void seen.push(challenges.length))
    return {
      offers: seen,
      fetch: (url, init) => mpp.fetch(url, init),
      sign: (response) => mpp.createCredential(response),
      receipt: Receipt.fromResponse,
    }
  },
}

/** What takes tokens in the deployed SDK. */
export function deployedMethods(prices: Prices, bank: Bank) {
  return Object.keys(prices).map((name) =>
    Method.toServer(Method.from(define(name)), {
      async verify({ credential, request }) {
        const reference = bank.take(credential.payload.token, name, request.amount)
        if (reference === undefined) throw new Errors.VerificationFailedError()
        const timestamp = new Date().toISOString()
        return { method: name, reference, status: 'success', timestamp }
      },
    }),
  )
}
