/**
 * Transactions that are built here: what a payer has agreed to, in the name of who sends it.
 *
 * @module
 */
import {
  Account,
  Keypair,
  Operation,
  TransactionBuilder,
  xdr,
  type FeeBumpTransaction,
  type Transaction,
} from '@stellar/stellar-sdk/base'
import { signBytes, type Signer } from '../signer.js'
import type { Signed } from './transaction.js'

/** Who sends it, for what, and until when. */
type Terms = {
  /** `G…` */
  source: string
  passphrase: string
  /** Stroops bid for being in a ledger. */
  fee: bigint
  /** The last sequence number that the source has used. */
  sequence?: bigint
  /** Its resources, as XDR. */
  transactionData?: string
  /** Epoch seconds; none where it is only tried out. */
  maxTime?: number
}

/**
 * Rebuilds a payer's transaction with another source: the same call, the same entries.
 *
 * @returns The unsigned transaction as XDR.
 * @see Stellar charge draft, Pull Mode Settlement — Sponsored
 */
export const rebuild = (signed: Signed, terms: Terms): string => build(signed, terms).toXdr()

/** The same, to be signed. */
export function build({ tx }: Signed, terms: Terms): Transaction {
  const { source, passphrase, fee, sequence = 0n, transactionData, maxTime = 0 } = terms
  const [operation] = tx.operations
  if (operation?.type !== 'invokeHostFunction') throw new TypeError('There is no contract call.')
  const { func, auth = [] } = operation
  const builder = new TransactionBuilder(new Account(source, String(sequence)), {
    fee: String(fee),
    networkPassphrase: passphrase,
    timebounds: { minTime: 0, maxTime },
  }).addOperation(Operation.invokeHostFunction({ func, auth: [...auth] }))
  if (transactionData !== undefined) builder.setSorobanData(transactionData)
  return builder.build()
}

/** Signs a transaction, wherever the key is. */
export async function sign(
  tx: Transaction | FeeBumpTransaction,
  signer: Signer,
  signal: AbortSignal,
): Promise<void> {
  const key = Keypair.fromPublicKey(signer.publicKey())
  const signature = await signBytes(signer, tx.hash(), signal)
  // A signer elsewhere may be at fault; the payer, whom the network would refuse for it, is not.
  if (!key.verify(tx.hash(), signature))
    throw new Error(`stellar/charge: the key of ${signer.publicKey()} did not sign as itself.`)
  tx.addDecoratedSignature(new xdr.DecoratedSignature({ hint: key.signatureHint(), signature }))
}
