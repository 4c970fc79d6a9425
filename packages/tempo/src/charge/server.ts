/**
 * Is paid by Tempo charges in pull mode: judges the payer's transaction, broadcasts it, and looks what became of it.
 *
 * @module
 */
import { Method, Outcome } from '@polyrail/core'
import { FINALITY_MARGIN, type Address, type Hex } from '../constants.js'
import { connect, type Broadcast, type Location, type Network, type Receipt } from '../network.js'
import type { Reason } from '../refusal.js'
import { gather } from './evidence.js'
import { identify, judge, type Approved } from './judge.js'
import { charge as method } from './method.js'
import { createRequest } from './price.js'
import { read } from './transaction.js'
import { hasTransfer, transferOf, type Transfer } from './transfer.js'

/**
 * Takes Tempo charges.
 *
 * @param options.recipient - Who is paid. Must not be the payer's own wallet.
 * @param options.currency - TIP-20 token. Left out: USDC.e on mainnet, pathUSD elsewhere.
 * @throws TypeError for an address that is none, or a chain whose endpoint is not known.
 * @example
 * const mpp = Mpp.create({ methods: [tempo.charge({ recipient, chainId: 42431 })], realm, secretKey })
 * const pay = mpp.charge({ amount: '0.01' })
 * @see Tempo charge draft, Settlement Procedure
 */
export function charge(options: charge.Options = {}): charge.Rail {
  const network = connect(options)
  const { recipient, currency } = options
  return Method.toServer(method, {
    request: (route: charge.Route) =>
      createRequest({ recipient, currency, ...route }, network.chainId),

    async validate({ challenge, credential, signal }) {
      const evidence = await gather(credential.payload, { network, signal })
      return judge(evidence, { ...challenge, source: credential.source })
    },

    replayKey: ({ validated }) => validated.hash,

    payer: ({ validated, challenge }) =>
      identify(challenge.request, validated.sender).toLowerCase(),

    async settle({ challenge, validated, signal }) {
      const { externalId } = challenge.request
      const seen = validated.bound ? undefined : await lookUp(network, validated.hash, signal)
      if (seen) return seen
      const sent = await network.broadcast(validated, { signal })
      return conclude(sent, { network, payment: { ...validated, externalId }, signal })
    },

    async reconcile({ challenge, credential, signal }) {
      const { payload } = credential
      const signed = payload.type === 'transaction' ? read(payload.signature) : undefined
      if (!signed?.sender) return Outcome.rejected('verification-failed')
      const { raw, hash, sender, envelope } = signed
      const transfer = transferOf(challenge.request)
      const { externalId } = challenge.request
      const payment = { raw, hash, sender, transfer, externalId }
      return trace({ network, payment, signal }, envelope.validBefore)
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    /** Who is paid, unless the route says. */
    recipient?: Address | undefined
    /** TIP-20 token. Left out: USDC.e on mainnet, pathUSD elsewhere. */
    currency?: Address | undefined
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = {
    /** In whole units of the currency, with up to 6 decimals: `'0.01'`. */
    amount: string
    recipient?: Address | undefined
    currency?: Address | undefined
    /** 32 bytes that the transfer must carry, such as the hash of an order number. */
    memo?: Hex | undefined
    /** Your reference, echoed in the receipt. */
    externalId?: string | undefined
  }
}

/** A payment, as far as it can be found on the chain. */
type Payment = Pick<Approved, 'raw' | 'hash' | 'sender'> & {
  transfer: Transfer
  externalId: string | undefined
}

type Context = { network: Network; payment: Payment; signal: AbortSignal }

/**
 * A transfer that names no challenge and is on the chain before we sent it may have bought something elsewhere.
 * Nothing is sent when this cannot be found out.
 */
async function lookUp(network: Network, hash: Hex, signal: AbortSignal) {
  try {
    const receipt = await network.readReceipt(hash, { signal })
    if (!receipt) return undefined
    return Outcome.rejected('verification-failed', {
      detail: 'The transaction is on the chain already, and nothing in it names this challenge.',
    })
  } catch (cause) {
    return Outcome.unsettled({ cause })
  }
}

/** What the answer to a broadcast means for the payment. */
async function conclude(
  sent: Broadcast,
  { network, payment, signal }: Context,
): Promise<Outcome.Outcome> {
  switch (sent.status) {
    case 'included':
      return finish(sent.receipt, payment)
    case 'unreached':
      return Outcome.unsettled({ cause: sent.cause })
    case 'refused': {
      // This very transaction may be what stands in its way.
      const receipt = await network.readReceipt(payment.hash, { signal })
      return receipt ? finish(receipt, payment) : refuse(sent.reason, sent.cause)
    }
    default:
      return Outcome.indeterminate({ attempt: { hash: payment.hash }, cause: sent.cause })
  }
}

/**
 * Finds out what became of a transaction that may have been sent, and sends it again while it may still be in a block.
 * The time is asked first and the receipt second: a node that has no receipt by then will never have one.
 */
async function trace(
  { network, payment, signal }: Context,
  validBefore = Infinity,
): Promise<Outcome.Outcome> {
  const { hash } = payment
  const dead = validBefore + FINALITY_MARGIN
  const time = await network.readTime({ signal })
  const receipt = await network.readReceipt(hash, { signal })
  if (receipt) return finish(receipt, payment)
  if (time >= dead) return refuse('expired')
  if (time >= validBefore)
    return Outcome.indeterminate({ attempt: { hash }, retryAfter: FINALITY_MARGIN })
  const sent = await network.broadcast(payment, { signal })
  // A chain without new blocks has no later time to show; its node knows the time all the same.
  const late = sent.status === 'refused' && sent.reason === 'expired' && Date.now() / 1000 >= dead
  if (sent.status === 'included' || late) return conclude(sent, { network, payment, signal })
  return Outcome.indeterminate({ attempt: { hash }, cause: sent.cause })
}

/** Judges a receipt by its effects. @see Tempo charge draft, Hash Verification */
function finish(
  receipt: Receipt,
  { hash, sender, transfer, externalId }: Payment,
): Outcome.Outcome {
  if (receipt.hash.toLowerCase() !== hash)
    return Outcome.indeterminate({
      attempt: { hash },
      cause: new Error('The node answered for another transaction.'),
    })
  if (!receipt.success) return refuse('reverted')
  if (!hasTransfer(receipt.logs, transfer, sender)) return refuse('absent')
  return Outcome.settled({
    reference: hash,
    ...(receipt.time !== undefined && { timestamp: new Date(receipt.time * 1000).toISOString() }),
    ...(externalId !== undefined && { receipt: { externalId } }),
    settlement: receipt,
  })
}

const REFUSALS: Record<Reason | 'reverted' | 'absent', string> = {
  absent: 'The transaction is in a block, but without the transfer that is asked.',
  expired: 'The transaction expired before it was in a block; nothing was paid.',
  funds: 'The payer has too little of the fee token to send the transaction; nothing was paid.',
  invalid: 'The chain does not accept the transaction; nothing was paid.',
  nonce: 'The nonce of the transaction was used by another one; nothing was paid.',
  reverted:
    'The transaction was reverted; nothing was paid. The payer may hold too little, or the recipient cannot receive this currency.',
}

function refuse(reason: keyof typeof REFUSALS, cause?: unknown): Outcome.Rejected {
  const code = reason === 'expired' ? 'payment-expired' : 'verification-failed'
  return Outcome.rejected(code, { detail: REFUSALS[reason] }, { cause })
}
