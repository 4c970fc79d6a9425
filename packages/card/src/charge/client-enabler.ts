/**
 * The Client Enabler: whoever has the payer’s card, and makes a network token of it for one challenge.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { exchange, readBase, type Fetch } from '../network.js'
import type { PublicKey } from '../key/check.js'

/** What a Client Enabler is told of a challenge: the draft’s names. */
export type TokenChallenge = {
  id: string
  realm: string
  /** Minor units of the currency. */
  amount: string
  currency: string
  acceptedNetworks: readonly string[]
  merchantName: string
  recipient?: string
  /** RFC 3339. */
  expires?: string
  billingRequired?: boolean
  encryptionJwk?: Readonly<Record<string, unknown>>
  jwksUri?: string
  kid?: string
}

/** What a Client Enabler is asked. */
export type TokenRequest = {
  /** The card, as the enabler knows it. */
  cardId: string | undefined
  challenge: TokenChallenge
  /** The key to encrypt for, found and checked. */
  key: PublicKey
  signal: AbortSignal
}

/** Whoever makes tokens: a vault, a token service, a PSP. */
export interface ClientEnabler {
  /**
   * Makes a network token with a cryptogram, encrypts it for `key`, and resolves to the payload of the credential. Nothing
   * is charged by it. A throw means that there is no token.
   */
  createToken(asked: TokenRequest): Promise<unknown>
}

/**
 * A Client Enabler over HTTP, as the draft’s appendix has it: `POST <url>/payment-tokens` with `{ cardId, challenge }`.
 *
 * @param options.url - https, or http on this machine.
 * @param options.apiKey - Sent as a Bearer token: a secret.
 * @param options.timeout - Milliseconds (15,000).
 * @throws TypeError for a URL that is not secure, or has a query or a fragment.
 * @example
 * const enabler = httpEnabler({ url: 'https://api.vault.example/v1', apiKey })
 * const mpp = Mpp.create({ methods: [card({ enabler, cardId: 'card_1' })], policy: { max: '5.00' } })
 * @see Card charge draft, Client Enabler Profile
 */
export function httpEnabler(options: httpEnabler.Options): ClientEnabler {
  // Taken now: a client that replaces the platform's fetch must not pay for its own token.
  const { apiKey, timeout = 15_000, fetch = globalThis.fetch } = options
  const url = readBase(options.url, 'Client Enabler')
  return {
    async createToken({ cardId, challenge, signal }) {
      const { status, body } = await exchange({
        url: `${url}/payment-tokens`,
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}` },
        body: { cardId, challenge },
        timeout,
        signal,
        fetch,
      })
      if (status !== 200)
        throw new Errors.PaymentError('verification-failed', {
          detail: `The Client Enabler made no token (status ${status}).`,
        })
      return body
    },
  }
}

export declare namespace httpEnabler {
  type Options = {
    url: string
    apiKey: string
    timeout?: number | undefined
    /** Left out: the platform’s. */
    fetch?: Fetch | undefined
  }
}
