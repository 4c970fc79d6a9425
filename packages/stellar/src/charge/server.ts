/**
 * Is paid by Stellar charges: judges what the payer signed or sent, sends it where that is ours to do, and looks what became of
 * it.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { kindOf } from '../address.js'
import { DECIMALS } from '../constants.js'
import { connect, type Location } from '../network.js'
import type { Signer } from '../signer.js'
import type { Approved, Code } from './judge.js'
import { charge as method, type CredentialType } from './method.js'
import { checkDecimals, createRequest } from './price.js'
import { watchRecipient } from './recipient.js'
import { sourceOf } from './source.js'
import { createSponsor, watchBalance, type Sponsor } from './sponsor.js'

/**
 * Takes Stellar charges.
 *
 * @param options.recipient - Who is paid: an account, plain or muxed, or a contract. Must not be the payer's own.
 * @param options.currency - SEP-41 token. Left out: USDC of the network.
 * @param options.credentialTypes - What is taken. Left out: transactions, and hashes that their payers have signed.
 * @param options.feePayer - Pays the fees of those who pay here, within limits.
 * @throws TypeError for an address that is none, an account that cannot sign, or a network that is not known.
 * @example
 * const mpp = Mpp.create({ methods: [stellar.charge({ recipient, network: 'stellar:testnet' })], realm, secretKey })
 * const pay = mpp.charge({ amount: '0.01' })
 * @see Stellar charge draft, Verification and Settlement Procedure
 */
export function charge(options: charge.Options = {}): charge.Rail {
  return createRail(options)
}

/** The same, with rules of one's own for transactions and hashes: for the tests that show what each of ours is good for. */
export function createRail(
  { feePayer, recipient, currency, decimals, credentialTypes, ...location }: charge.Options,
  code: Pick<Code, 'rules' | 'hashRules'> = {},
): charge.Rail {
  const network = connect(location)
  const sponsor = feePayer && createSponsor(feePayer)
  const watch = sponsor && watchBalance(sponsor, network)
  const watchTrust = watchRecipient(network)
  checkTerms({ recipient, decimals })

  const judgeOf = shareUnderway(async (presented) => {
    const { examine } = await load()
    return examine(presented, { network, ...code, sponsor })
  })
  const settleOf = async (approved: Approved, { challenge, signal, store }: Presented) => {
    const { settle } = await load()
    return settle(approved, { network, sponsor, asked: challenge, signal, store })
  }

  return Method.toServer(method, {
    request: (route: charge.Route) => {
      const terms = { recipient, currency, decimals, credentialTypes, ...route }
      const pays = !!sponsor && route.feePayer !== false
      const request = createRequest({ ...terms, feePayer: pays }, network.id)
      watchTrust(request)
      return request
    },

    issued: {
      fields: ['methodDetails.issuedAt', 'methodDetails.reference'],
      async create({ request }) {
        const { feePayer, credentialTypes = [] } = request.methodDetails
        if (feePayer) await watch?.()
        const isPushed = credentialTypes.some((type) => type !== 'transaction')
        if (!isPushed) return {}
        const reference = crypto.randomUUID()
        return { methodDetails: { issuedAt: new Date().toISOString(), reference } }
      },
    },

    grace: GRACE,

    validate: judgeOf,

    replayKey: ({ validated }) => validated.signed.identity,

    payer: ({ validated, challenge }) =>
      validated.isProven
        ? sourceOf(challenge.request.methodDetails.network, validated.transfer.from)
        : undefined,

    settle: (presented) => settleOf(presented.validated, presented),

    async reconcile(presented) {
      const { challenge, credential, signal, store } = presented
      const { payload } = credential
      if (payload.type === 'transaction') {
        const { trace } = await load()
        const context = { network, sponsor, asked: challenge, signal, store }
        return trace(payload.transaction, context)
      }
      const judged = await judgeOf(presented)
      return 'status' in judged ? judged : settleOf(judged, presented)
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    /** Who is paid, unless the route says: `G…`, `M…` or `C…`. */
    recipient?: string | undefined
    /** SEP-41 token, `C…`. Left out: USDC of the network. */
    currency?: string | undefined
    /** Decimals of the token: 7, as all Stellar assets have. */
    decimals?: number | undefined
    /**
     * What is taken: a transaction that the server sends, the hash of one that the client has sent, signed by its payer for the
     * challenge, or a bare one. Left out: the first two. A bare hash can be shown by anybody who has seen it on the network.
     */
    credentialTypes?: readonly CredentialType[] | undefined
    /** An account that pays the fees of those who pay here, by itself or with limits. Left out: the payers do. */
    feePayer?: Signer | Sponsor.Options | undefined
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = {
    /** In whole units of the currency: `'0.01'`. */
    amount: string
    recipient?: string | undefined
    currency?: string | undefined
    decimals?: number | undefined
    /** Text for people. */
    description?: string | undefined
    /** Your reference, echoed in the receipt. */
    externalId?: string | undefined
    credentialTypes?: readonly CredentialType[] | undefined
    /** `false` where the payers pay their fees themselves. */
    feePayer?: false | undefined
  }
}

/** Seconds after a challenge's end within which a transaction that was in a ledger before it may be told of. */
const GRACE = 60

/** Copies of one credential that come at once cost the node one look. */
function shareUnderway<result>(judge: (presented: Presented) => Promise<result>) {
  const underway = new Map<string, Promise<result>>()
  return (presented: Presented): Promise<result> => {
    const { challenge, credential } = presented
    const key = JSON.stringify([challenge.id, credential.payload, credential.source])
    const known = underway.get(key)
    if (known) return known
    const judging = judge(presented).finally(() => underway.delete(key))
    underway.set(key, judging)
    return judging
  }
}

type Presented = Method.Presented<typeof method>

/** The SDK is loaded for the first credential, and never for an offer. */
const load = () => import('./with-sdk.js')

function checkTerms({
  recipient,
  decimals = DECIMALS,
}: Pick<charge.Options, 'decimals' | 'recipient'>): void {
  checkDecimals(decimals)
  if (recipient !== undefined && kindOf(recipient) === undefined)
    throw new TypeError(
      `stellar/charge: recipient must be a Stellar address (G…, M… or C…) with its checksum, not ${recipient}.`,
    )
}
