/**
 * Is paid by Tempo charges: judges what the payer signed or sent, broadcasts it where that is ours to do, and looks what
 * became of it.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import type { Address, Hex } from '../constants.js'
import { connect, type Location } from '../network.js'
import { createNonceMemo } from './attribution.js'
import { gather } from './evidence.js'
import { identify, judge, type Code } from './judge.js'
import { charge as method, type Mode, type Request } from './method.js'
import { createRequest, type Split } from './price.js'
import { watchRecipient } from './recipient.js'
import { settle, trace } from './settlement.js'
import { createSponsor, watchBalance, type Sponsor } from './sponsor.js'
import { read } from './transaction.js'

/**
 * Takes Tempo charges.
 *
 * @param options.recipient - Who is paid. Must not be the payer's own wallet.
 * @param options.currency - TIP-20 token. Left out: USDC.e on mainnet, pathUSD elsewhere.
 * @param options.modes - Who may broadcast: the server (`pull`), the client (`push`). Left out: both.
 * @param options.feePayer - Pays the fees of those who pay here, within limits.
 * @throws TypeError for an address that is none, or a chain whose endpoint is not known.
 * @example
 * const mpp = Mpp.create({ methods: [tempo.charge({ recipient, chainId: 42431 })], realm, secretKey })
 * const pay = mpp.charge({ amount: '0.01' })
 * @see Tempo charge draft, Settlement Procedure
 */
export function charge(options: charge.Options = {}): charge.Rail {
  return createRail(options)
}

/** The same, with rules of one's own for transactions: for the tests that show what each of ours is good for. */
export function createRail(
  { feePayer, recipient, currency, modes, ...location }: charge.Options,
  rules?: Code['rules'],
): charge.Rail {
  const network = connect(location)
  const sponsor = feePayer && createSponsor(feePayer, network.chainId)
  const watch = sponsor && watchBalance(sponsor, network)
  const look = watchRecipient(network)
  const judgeOf = async (presented: Method.Presented<typeof method>) =>
    judge(
      await gather(presented, network),
      { ...presented.challenge, source: presented.credential.source },
      { rules, limits: sponsor?.limits },
    )

  return Method.toServer(method, {
    request: (route: charge.Route) =>
      createRequest(
        { recipient, currency, modes, ...route, feePayer: !!sponsor && route.feePayer !== false },
        network.chainId,
      ),

    issued: {
      fields: ['methodDetails.memo'],
      async create({ request, realm, signal }) {
        look(request)
        if (request.methodDetails?.feePayer) await watch?.(signal)
        return takesPush(request) ? { methodDetails: { memo: createNonceMemo(realm) } } : {}
      },
    },

    grace: GRACE,

    validate: judgeOf,

    replayKey({ validated, challenge }) {
      if (validated.type === 'transaction') return validated.signed.identity
      return validated.type === 'hash' ? validated.receipt.hash.toLowerCase() : challenge.id
    },

    payer: ({ validated, challenge }) =>
      validated.isProven ? identify(challenge.request, validated.sender).toLowerCase() : undefined,

    settle: ({ challenge, validated, signal, store }) =>
      settle(validated, { network, sponsor, asked: challenge, signal, store }),

    async reconcile(presented) {
      const { challenge, credential, signal, store } = presented
      const { payload } = credential
      const context = { network, sponsor, asked: challenge, signal, store }
      if (payload.type === 'transaction') return trace(read(payload.signature), context)
      const judged = await judgeOf(presented)
      return 'status' in judged ? judged : settle(judged, context)
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    /** Who is paid, unless the route says. */
    recipient?: Address | undefined
    /** TIP-20 token. Left out: USDC.e on mainnet, pathUSD elsewhere. */
    currency?: Address | undefined
    /** Who may broadcast the transaction: the server (`pull`), the client (`push`). Left out: both. */
    modes?: readonly Mode[] | undefined
    /** A viem account that pays the fees of those who pay here, by itself or with limits. Left out: the payers do. */
    feePayer?: Sponsor.Account | Sponsor.Options | undefined
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = {
    /** In whole units of the currency, with up to 6 decimals: `'0.01'`. `'0'` asks for a proof of who the visitor is. */
    amount: string
    recipient?: Address | undefined
    currency?: Address | undefined
    /** 32 bytes that the transfer must carry, such as the hash of an order number. */
    memo?: Hex | undefined
    /** Others who get a part of the amount. */
    splits?: readonly Split[] | undefined
    /** Your reference, echoed in the receipt. */
    externalId?: string | undefined
    modes?: readonly Mode[] | undefined
    /** `false` where the payers pay their fees themselves. */
    feePayer?: false | undefined
  }
}

/** Seconds after a challenge's end within which a transaction that was in a block before it may be told of. */
const GRACE = 60

/** What a client broadcasts itself must name the challenge: the request gives it the memo for that. */
const takesPush = ({ amount, methodDetails }: Request): boolean =>
  amount !== '0' &&
  methodDetails?.memo === undefined &&
  (methodDetails?.supportedModes?.includes('push') ?? true)
