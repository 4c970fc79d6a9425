/**
 * Is paid by Lightning charges: has the wallet make an invoice for each challenge, and takes its preimage for the payment.
 *
 * @module
 */
import { Errors, Method, Outcome } from '@polyrail/core'
import { PROBLEMS } from '../constants.js'
import { checkNetwork, type Network } from '../network.js'
import { proves } from '../preimage.js'
import type { Wallet } from '../wallet.js'
import { charge as method } from './method.js'
import { createOffers } from './offer.js'
import { createRequest, type Route as RouteTerms } from './price.js'

/**
 * Takes Lightning charges.
 *
 * @param options.wallet - Makes the invoices; nothing else is asked of it.
 * @param options.network - Of the wallet. Left out: mainnet.
 * @param options.unpaid - How many invoices may wait for their payment.
 * @throws TypeError when there is no wallet, an unknown network, or a bound that is not above zero.
 * @example
 * const methods = [lightning.charge({ wallet: lnd({ url, macaroon }) })]
 * const mpp = Mpp.create({ methods, realm, secretKey })
 * const pay = mpp.charge({ amount: '10' })
 * @see Lightning charge draft, Verification Procedure and Settlement Procedure
 */
export function charge({ wallet, network = 'mainnet', unpaid = {} }: charge.Options): charge.Rail {
  if (typeof wallet?.createInvoice !== 'function')
    throw new TypeError(
      'lightning/charge: wallet must be able to make invoices: take one of /lnd, /phoenixd, /nwc or /spark, or write createInvoice yourself.',
    )
  const create = createOffers(wallet, checkNetwork(network))
  return Method.toServer(method, {
    request: (route: charge.Route) => createRequest(route, network),

    issued: {
      fields: ['methodDetails.invoice', 'methodDetails.paymentHash'],
      create,
      bounds: createBounds(unpaid),
    },

    problems: PROBLEM_TYPES,

    validate: async ({ challenge, credential }) => {
      const { paymentHash = '' } = challenge.request.methodDetails
      return (await proves(credential.payload.preimage, paymentHash)) ? paymentHash : INVALID
    },

    replayKey: ({ validated }) => validated,

    // The payee's node told the preimage when it had the money: there is nothing left to move.
    settle: ({ challenge, validated }) => settled(challenge.id, validated),

    reconcile: ({ challenge }) =>
      settled(challenge.id, challenge.request.methodDetails.paymentHash ?? ''),
  })
}

export declare namespace charge {
  type Options = {
    wallet: Pick<Wallet, 'createInvoice'>
    /** Left out: mainnet. A wallet that makes invoices for another is refused. */
    network?: Network | undefined
    unpaid?: Unpaid | undefined
  }
  /** How many invoices may wait for their payment. */
  type Unpaid = {
    /** Of all clients together, in one process (default 1000). */
    total?: number | undefined
    /** Of one client, where `Mpp.create({ client })` names them (default 20). */
    perClient?: number | undefined
    /** Seconds in which a used-up number grows back; who pays has theirs back at once (default 300). */
    period?: number | undefined
    /** Seconds for which a named client that asks again gets the same invoice (default 60). */
    reuse?: number | undefined
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = RouteTerms
}

/** @see Lightning charge draft, Receipt Generation */
const settled = (challengeId: string, paymentHash: string) =>
  Outcome.settled({ reference: paymentHash, receipt: { challengeId } })

/** @see Lightning charge draft, Error Responses */
const PROBLEM_TYPES = {
  'malformed-credential': {
    type: `${PROBLEMS}malformed-credential`,
    title: 'Malformed Credential',
  },
  'invalid-challenge': { type: `${PROBLEMS}unknown-challenge`, title: 'Unknown Challenge' },
  'expired-challenge': { type: `${PROBLEMS}expired-invoice`, title: 'Expired Invoice' },
} satisfies Method.Problems

const INVALID = Outcome.rejected(
  Errors.problem({
    type: `${PROBLEMS}invalid-preimage`,
    title: 'Invalid Preimage',
    status: 402,
    code: 'verification-failed',
    detail: 'The preimage does not hash to the payment hash of the invoice.',
  }),
)

function createBounds({ total = 1000, perClient = 20, period = 300, reuse = 60 }: charge.Unpaid) {
  for (const [name, value] of Object.entries({ total, perClient, period }))
    if (!(value >= 1)) throw new TypeError(`lightning/charge: unpaid.${name} must be at least 1.`)
  if (!(reuse >= 0)) throw new TypeError('lightning/charge: unpaid.reuse must be seconds, or 0.')
  return { total, perClient, period, reuse }
}
