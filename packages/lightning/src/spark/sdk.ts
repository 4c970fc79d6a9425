/**
 * The part of `@buildonspark/spark-sdk` that this package uses, written down by hand, for the SDK weighs 300 MB. Checked
 * against the declarations of version 0.8.8.
 *
 * @module
 */

/** The module. */
export type SparkSdk = {
  SparkWallet: {
    initialize(props: {
      mnemonicOrSeed: string | Uint8Array
      options: { network: SparkNetwork }
    }): Promise<{ wallet: SparkWallet }>
  }
}

export type SparkNetwork = 'MAINNET' | 'REGTEST' | 'TESTNET' | 'SIGNET' | 'LOCAL'

/** A wallet. */
export type SparkWallet = {
  createLightningInvoice(params: {
    /** 0: any amount. */
    amountSats: number
    memo?: string
    expirySeconds?: number
  }): Promise<{ invoice: { encodedInvoice: string } }>
  payLightningInvoice(params: {
    invoice: string
    maxFeeSats: number
    preferSpark?: boolean
    amountSatsToSend?: number
    idempotencyKey?: string
  }): Promise<LightningSendRequest | { id: string }>
  getLightningSendRequest(id: string): Promise<LightningSendRequest | null>
  getUserRequests(params?: {
    first?: number
    after?: string
    types?: string[]
  }): Promise<{ pageInfo: PageInfo; entities: readonly { id: string }[] } | null>
  queryHTLC(params: {
    paymentHashes?: string[]
    /** 1: those that this wallet sends. */
    matchRole?: number
  }): Promise<{ preimageRequests: readonly PreimageRequest[] }>
  cleanup(): Promise<void>
}

type PageInfo = {
  hasNextPage?: boolean | undefined
  endCursor?: string | undefined
}

/** What the service provider does to pay an invoice. */
export type LightningSendRequest = {
  id: string
  encodedInvoice: string
  fee: { originalValue: number; originalUnit: string }
  status: string
  paymentPreimage?: string | undefined
}

/** Money that is locked until a preimage is shown for it. */
export type PreimageRequest = {
  /** 0: waits for the preimage, 1: it was shown, 2: the money is back. */
  status: number
  preimage?: Uint8Array | undefined
}
