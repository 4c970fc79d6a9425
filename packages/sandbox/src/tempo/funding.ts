/**
 * The purse of the local chain: a dev account of its own that sends stablecoins to whoever is to have some.
 *
 * @module
 */
import { type Address, encodeFunctionData, type Hex, maxUint256 } from 'viem'
import { Abis, Account, Transaction } from 'viem/tempo'
import { tokens } from './constants.js'
import { expectResult, type Upstream } from './upstream.js'

/** 1,000 units of a stablecoin. */
const defaultAmount = 1_000_000_000n

/** More than four first transfers to a new account cost (some 300,000 each). */
const gas = 3_000_000n

/**
 * Opens the purse.
 *
 * Its transactions have expiring nonces, so any number may run at once; `validAfter`, long past, counts up to keep them apart.
 *
 * @param options - The chain's id, the purse's key, a handler for the front's `eth_sendRawTransactionSync`, and the chain's time.
 * @returns A function that sends the same amount of each token to an address and resolves to the transaction's hash.
 */
export function openPurse({ chainId, key, send, now }: openPurse.Options): openPurse.Fund {
  const purse = Account.fromSecp256k1(key)
  let salt = 0
  return async (to, { amount = defaultAmount, tokens: chosen = Object.values(tokens) } = {}) => {
    const data = encodeFunctionData({
      abi: Abis.tip20,
      functionName: 'transfer',
      args: [to, amount],
    })
    const raw = await purse.signTransaction(
      {
        type: 'tempo',
        chainId,
        calls: chosen.map((token) => ({ to: token, data })),
        feeToken: tokens.AlphaUSD,
        gas,
        maxFeePerGas: 100_000_000_000n,
        maxPriorityFeePerGas: 0n,
        nonceKey: maxUint256,
        nonce: 0,
        validAfter: ++salt,
        validBefore: now() + 25,
      },
      { serializer: Transaction.serialize },
    )
    const receipt = await expectResult<{ status: Hex; transactionHash: Hex }>(
      send('eth_sendRawTransactionSync', [raw]),
    )
    if (receipt.status !== '0x1')
      throw new Error(`funding ${to} failed in ${receipt.transactionHash}`)
    return receipt.transactionHash
  }
}

export declare namespace openPurse {
  type Options = { chainId: number; key: Hex; send: Upstream; now: () => number }
  type Fund = (to: Address, options?: FundOptions) => Promise<Hex>
  type FundOptions = {
    /** Base units (6 decimals) of each token. Default 1,000,000,000, which is 1,000.00. */
    amount?: bigint
    /** Which tokens. Default: all four. */
    tokens?: readonly Address[]
  }
}
