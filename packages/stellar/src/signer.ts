/**
 * Who signs: a `Keypair` of the SDK, or anything that signs as one, elsewhere if need be.
 *
 * @module
 */
import { kindOf } from './address.js'

/** As much of a `Keypair` as is used. */
export type Signer = {
  /** `G…` */
  publicKey: () => string
  /** Signs bytes by Ed25519: 64 bytes. */
  sign: (data: Uint8Array) => Uint8Array | Promise<Uint8Array>
}

/**
 * Has bytes signed.
 *
 * @throws When `signal` says that nobody waits any more: a key that is elsewhere may never answer, and others wait for their turn.
 */
export function signBytes(
  signer: Signer,
  data: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    const signing = (async () => signer.sign(data))()
    signing.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}

/**
 * Makes sure that something can sign.
 *
 * @param option - Named in the error, which repeats nothing that it was given: that may be a secret.
 * @throws TypeError when it cannot.
 */
export function checkSigner(signer: Signer, option: string): void {
  const isSigner =
    typeof signer === 'object' &&
    signer !== null &&
    typeof signer.publicKey === 'function' &&
    typeof signer.sign === 'function'
  if (!isSigner || kindOf(signer.publicKey()) !== 'account')
    throw new TypeError(
      `stellar/charge: ${option} must sign for a Stellar account, as Keypair.fromSecret(…) of @stellar/stellar-sdk does.`,
    )
}
