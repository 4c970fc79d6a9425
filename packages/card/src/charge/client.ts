/**
 * Pays card charges: finds and checks the server’s key, and has a Client Enabler make a token for it.
 *
 * @module
 */
import { Errors, Method } from '@polyrail/core'
import { isCardError } from '../CardError.js'
import type { CardNetwork } from '../constants.js'
import { readReference } from '../key/reference.js'
import { createResolver } from '../key/resolve.js'
import type { Fetch } from '../network.js'
import type { ClientEnabler, TokenChallenge } from './client-enabler.js'
import { charge as method, hasBilling, type Payload } from './method.js'

type Challenge = Method.ChallengeOf<typeof method>

/**
 * Pays card charges.
 *
 * @param options.enabler - Whoever has the card: `httpEnabler({ url, apiKey })`, or your own.
 * @param options.cardId - The card, as the enabler knows it.
 * @param options.networks - Networks of the card: merchants that take none of them are declined.
 * @throws TypeError without an enabler.
 * @example
 * const enabler = httpEnabler({ url: 'https://api.vault.example/v1', apiKey })
 * const mpp = Mpp.create({ methods: [card.charge({ enabler, cardId: 'card_1' })], policy: { max: '5.00' } })
 * @see Card charge draft, Encryption Key and Client Enabler Profile
 */
export function charge(options: charge.Options): charge.Rail {
  const { enabler, cardId, networks, fetch } = options
  if (typeof enabler?.createToken !== 'function')
    throw new TypeError(
      'card/charge: enabler must have createToken: httpEnabler({ url, apiKey }), or your own.',
    )
  const resolve = createResolver({ loopback: true, fetch })
  return Method.toClient<typeof method, charge.Context | undefined>(method, {
    accepts({ challenge: { realm, request } }) {
      const { acceptedNetworks } = request.methodDetails
      if (networks && !networks.some((network) => acceptedNetworks.includes(network)))
        return `The merchant takes ${acceptedNetworks.join(', ')}, and no such card is here.`
      return reasonOf(() => readReference(request.methodDetails, { realm, loopback: true }))
    },

    async createCredential({ challenge, context, signal }) {
      const { realm, request } = challenge
      const key = await resolve(request.methodDetails, { realm, signal }).catch(rethrow)
      const made = await enabler.createToken({
        cardId: context?.cardId ?? cardId,
        challenge: describe(challenge),
        key,
        signal,
      })
      return { payload: check(made, challenge), authorization: true }
    },
  })
}

/** Why a key must not be used, in words. */
function reasonOf(judge: () => unknown): string | undefined {
  try {
    judge()
    return undefined
  } catch (cause) {
    if (isCardError(cause)) return cause.message
    throw cause
  }
}

function rethrow(cause: unknown): never {
  if (!isCardError(cause)) throw cause
  throw new Errors.PaymentError('verification-failed', { detail: cause.message }, { cause })
}

/** What the draft’s profile has of a challenge. */
function describe({ id, realm, expires, request }: Challenge): TokenChallenge {
  const { amount, currency, recipient, methodDetails } = request
  const { acceptedNetworks, merchantName, billingRequired } = methodDetails
  const { encryptionJwk, jwksUri, kid } = methodDetails
  return {
    id,
    realm,
    amount,
    currency,
    acceptedNetworks,
    merchantName,
    ...(recipient !== undefined && { recipient }),
    ...(expires !== undefined && { expires }),
    ...(billingRequired && { billingRequired }),
    ...(encryptionJwk && { encryptionJwk }),
    ...(jwksUri !== undefined && kid !== undefined && { jwksUri, kid }),
  }
}

/** The token is not opened; its outside must be what a server can take, so that no payment is presented in vain. */
function check(made: unknown, { request }: Challenge): Payload {
  const { acceptedNetworks, billingRequired } = request.methodDetails
  const read = method.schema.credential.payload.safeParse(made)
  const detail = !read.success
    ? 'The Client Enabler’s answer is not the payload of a card credential.'
    : !acceptedNetworks.includes(read.data.network)
      ? 'The Client Enabler’s token is of a network that the merchant does not take.'
      : undefined
  if (!read.success || detail) throw new Errors.PaymentError('verification-failed', { detail })
  // An address that nobody asks for is nobody's business.
  const { billingAddress, ...rest } = read.data
  return billingRequired && hasBilling(read.data) ? { ...rest, billingAddress } : rest
}

export declare namespace charge {
  type Options = {
    enabler: ClientEnabler
    /** Left out: the enabler decides, or the `context` of a fetch says. */
    cardId?: string | undefined
    /** Left out: whatever the merchant takes. */
    networks?: readonly CardNetwork[] | undefined
    /** Fetches key sets. Left out: the platform’s. */
    fetch?: Fetch | undefined
  }
  /** What a fetch may say. */
  type Context = { cardId?: string | undefined }
  type Rail = Method.Client<typeof method, Context | undefined>
}
