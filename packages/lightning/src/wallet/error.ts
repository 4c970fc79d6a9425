/**
 * Why a wallet could not be asked.
 *
 * @module
 */

/**
 * Thrown by the wallets of this package. It never holds a secret, nor what the service said; a payment may be under way.
 *
 * @example
 * if (error instanceof WalletError && error.code === 'unauthorized') rotateMacaroon()
 */
export class WalletError extends Error {
  override readonly name: string = 'WalletError'
  readonly code: WalletError.Code

  constructor(code: WalletError.Code, message: string) {
    super(message)
    this.code = code
  }
}

export declare namespace WalletError {
  type Code =
    /** No connection came about, or it was lost. */
    | 'unreachable'
    /** Connected, and no answer in time. */
    | 'unanswered'
    /** The service does not accept the key that it was shown, or not for this. */
    | 'unauthorized'
    /** The service answered that it did not do it. */
    | 'refused'
    /** The answer makes no sense, or its preimage does not prove the payment. */
    | 'unreadable'
    /** This wallet cannot do what it was asked. */
    | 'unsupported'
    /** An optional package is not installed. */
    | 'missing'
}
