/**
 * Gathers what a credential is judged by.
 *
 * @module
 */
import type { Network } from '../network.js'
import type { Payload } from './method.js'
import { read, type Signed } from './transaction.js'

/** All that `judge` may look at, beside the challenge. */
export type Evidence = {
  /** What the credential claims to be. */
  type: Payload['type']
  /** The transaction, when it can be read. */
  signed: Signed | undefined
  /** Epoch seconds. */
  now: number
}

/**
 * Reads the transaction and the clock, and makes sure that the node is on the right chain.
 *
 * @throws When the node cannot be asked, or is on another chain: nobody's money may be judged there.
 */
export async function gather(
  payload: Payload,
  { network, signal }: { network: Network; signal: AbortSignal },
): Promise<Evidence> {
  await network.checkChain({ signal })
  return {
    type: payload.type,
    signed: payload.type === 'transaction' ? read(payload.signature) : undefined,
    now: Date.now() / 1000,
  }
}
