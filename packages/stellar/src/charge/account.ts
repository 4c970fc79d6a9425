/**
 * Accounts as the ledger has them.
 *
 * @module
 */
import { Keypair, StrKey, xdr } from '@stellar/stellar-sdk/base'
import type { Network } from '../network.js'

/** An account's entry. */
export type Account = {
  /** The last sequence number that it has used. */
  sequence: bigint
  /** Stroops that it can spend. */
  spendable: bigint
  /** Whose signatures count for it. */
  signers: readonly string[]
}

/** Half a lumen, of which an account keeps two, and one for each entry of its own. */
const BASE_RESERVE = 5_000_000n

/**
 * Reads an account.
 *
 * @returns `undefined` when the ledger has none of that address.
 * @throws When the node cannot be asked.
 */
export async function readAccount(
  address: string,
  network: Network,
  options: { signal?: AbortSignal },
): Promise<Account | undefined> {
  const key = new xdr.LedgerKeyAccount({ accountId: Keypair.fromPublicKey(address).xdrAccountId() })
  const entry = await network.readEntry(xdr.LedgerKey.account(key).toXdr('base64'), options)
  const data = entry === undefined ? undefined : xdr.LedgerEntryData.fromXdr(entry, 'base64')
  if (data?.type !== 'account') return undefined
  const { seqNum, balance, numSubEntries, signers } = data.account
  return {
    sequence: seqNum,
    spendable: balance - BigInt(2 + numSubEntries) * BASE_RESERVE,
    signers: [
      address,
      ...signers.flatMap(({ key }) =>
        key.type === 'signerKeyTypeEd25519'
          ? [StrKey.encodeEd25519PublicKey(key.ed25519.toBytes())]
          : [],
      ),
    ],
  }
}
