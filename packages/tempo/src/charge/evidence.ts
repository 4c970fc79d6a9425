/**
 * Gathers what a credential is judged by.
 *
 * @module
 */
import { Errors, type Method } from '@polyrail/core'
import { hashTypedData, isAddressEqual } from 'viem'
import type { Hex } from '../constants.js'
import type { Network, Receipt } from '../network.js'
import type { charge, Payload } from './method.js'
import { parseSource, proofsOf } from './proof.js'
import { readSignature, signerOf, type Signer } from './signature.js'
import { read, type Signed } from './transaction.js'

/** All that `judge` may look at, beside the challenge. */
export type Evidence =
  | {
      type: 'transaction'
      /** The transaction, when it can be read. */
      signed: Signed | undefined
      /** Whether the access key that signed it, if one did, may. */
      isKeyActive: boolean
      /** Epoch seconds. */
      now: number
    }
  | { type: 'hash'; receipt: Receipt }
  | {
      type: 'proof'
      /** The payer that is named, on whichever chain. */
      claimed: { account: Hex; chainId: number } | undefined
      /** Who signed, if it was the payer or a key of theirs that may. */
      signer: Signer | undefined
      /** Epoch seconds. */
      now: number
    }

type Presented = Pick<Method.Presented<typeof charge>, 'challenge' | 'credential' | 'signal'>

/**
 * Reads what was signed, and asks the chain what only the chain knows.
 *
 * @throws When the node cannot be asked, or is on another chain: nobody's money may be judged there.
 */
export async function gather(presented: Presented, network: Network): Promise<Evidence> {
  const { payload } = presented.credential
  await network.checkChain(presented)
  switch (payload.type) {
    case 'transaction':
      return gatherTransaction(payload, presented, network)
    case 'hash':
      return { type: 'hash', receipt: await findReceipt(payload.hash, presented, network) }
    default:
      return gatherProof(payload, presented, network)
  }
}

async function gatherTransaction(
  { signature }: Extract<Payload, { type: 'transaction' }>,
  { signal }: Presented,
  network: Network,
): Promise<Evidence> {
  const signed = read(signature)
  const isKeyActive = await isActive(signed?.signer, network, signal)
  return { type: 'transaction', signed, isKeyActive, now: Date.now() / 1000 }
}

/**
 * Whoever signed the draft's typed data, or the deployed one, in the name of the account that is claimed. An access key's
 * signature yields a key for either; the chain knows which of them it is.
 */
async function gatherProof(
  { signature: serialized }: Extract<Payload, { type: 'proof' }>,
  { challenge, credential, signal }: Presented,
  network: Network,
): Promise<Evidence> {
  const claimed = parseSource(credential.source ?? '')
  const signature = readSignature(serialized)
  const now = Date.now() / 1000
  if (!claimed || !signature) return { type: 'proof', claimed, signer: undefined, now }
  for (const proof of proofsOf(challenge, claimed)) {
    const payload = hashTypedData(proof)
    const signer = signerOf(signature, payload)
    if (
      signer &&
      isAddressEqual(signer.account, claimed.account) &&
      (await isActive(signer, network, signal))
    )
      return { type: 'proof', claimed, signer, now }
  }
  return { type: 'proof', claimed, signer: undefined, now }
}

const isActive = async (
  signer: Signer | undefined,
  network: Network,
  signal: AbortSignal,
): Promise<boolean> =>
  signer?.accessKey === undefined ||
  network.readKey({ account: signer.account, accessKey: signer.accessKey }, { signal })

/** Milliseconds between looks for a receipt that another node may have already. */
const PAUSES = [250, 750]

/**
 * Finds the receipt of a transaction that somebody else sent.
 *
 * @throws PaymentError `settlement-unavailable` when the node has none. That may be the node's fault, and the payer may
 * have paid: a fresh challenge would make them pay again.
 */
async function findReceipt(hash: Hex, { signal }: Presented, network: Network): Promise<Receipt> {
  for (const pause of [0, ...PAUSES]) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    const receipt = await network.readReceipt(hash, { signal })
    if (receipt) return receipt
  }
  throw new Errors.PaymentError('settlement-unavailable', {
    detail:
      'The chain knows no such transaction yet. Present the same credential again once it does.',
  })
}
