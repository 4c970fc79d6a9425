/**
 * Why the chain dropped a transaction that it had taken into its pool; anvil itself does not say.
 *
 * @module
 */
import { type Hex, maxUint256 } from 'viem'
import { Transaction } from 'viem/tempo'
import { expiringNonceWindow } from './constants.js'
import { expectResult, type Upstream } from './upstream.js'

/**
 * The reason that fits, by the rules of hardfork T4.
 *
 * @param up - Anvil.
 * @param raw - The serialized transaction, which the chain has decoded before.
 * @returns A clause for an error message.
 */
export async function whyInvalid(up: Upstream, raw: unknown): Promise<string> {
  const other = 'its gas is below the intrinsic cost, or its nonce is not the next of its lane'
  const transaction = Transaction.deserialize(raw as Transaction.TransactionSerializedTempo)
  const { nonceKey = 0n, nonce = 0, validBefore } = transaction
  if (nonceKey === maxUint256) {
    if (nonce !== 0) return 'an expiring nonce must have nonce 0 on hardfork T4'
    if (validBefore === undefined) return 'an expiring nonce needs validBefore'
    const block = await expectResult<{ timestamp: Hex }>(
      up('eth_getBlockByNumber', ['latest', false]),
    )
    const window = Number(validBefore) - Number(block.timestamp)
    if (window > expiringNonceWindow) {
      return `validBefore is ${window} s ahead, an expiring nonce may live ${expiringNonceWindow} s`
    }
    return other
  }
  if (nonceKey !== 0n || !transaction.from) return other
  const count = await expectResult<Hex>(up('eth_getTransactionCount', [transaction.from, 'latest']))
  return nonce < Number(count) ? `nonce ${nonce} is used, the next is ${Number(count)}` : other
}
