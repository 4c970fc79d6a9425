/**
 * Accounts that sign for themselves: keys in this process, access keys, passkeys, and signers elsewhere that viem's
 * `toAccount` wraps, if only for raw hashes.
 *
 * @module
 */
import { concat, hashTypedData, keccak256, type LocalAccount, type TypedDataDefinition } from 'viem'
import { Transaction, type Account as TempoAccount } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'
import type { Network } from '../network.js'
import { read, type Signed } from './transaction.js'

const { z_SignatureEnvelope: SignatureEnvelope } = Transaction

/** As much of a viem account as is used. One that lives in a wallet has its address alone. */
export type Account = {
  readonly address: Address
  readonly type?: string | undefined
  readonly sign?: LocalAccount['sign'] | undefined
  readonly signTransaction?: LocalAccount['signTransaction'] | undefined
  readonly signTypedData?: ((data: TypedDataDefinition) => Promise<Hex>) | undefined
  /** Those of an access key. */
  readonly accessKeyAddress?: Address | undefined
  readonly keyAuthorizationManager?: TempoAccount.AccessKeyAccount['keyAuthorizationManager']
}

/** What is to be signed. */
export type Fields = Transaction.TransactionSerializableTempo & { type: 'tempo' }

/** Whether an account signs by itself; one that does not lives in a wallet. */
export const isSigning = ({ sign, signTransaction }: Account): boolean =>
  typeof signTransaction === 'function' || typeof sign === 'function'

/**
 * Signs a transaction, and checks what came back: a signer elsewhere may have signed something else, or as someone else.
 *
 * @returns The transaction's bytes, and the hash by which the chain will know it.
 */
export async function signTransaction(account: Account, fields: Fields): Promise<Signed> {
  const payload = keccak256(await Transaction.serialize(fields))
  const raw = await attempt(
    account.signTransaction && (() => account.signTransaction!(fields, SERIALIZER)),
    account.sign &&
      (async () => {
        const signature = SignatureEnvelope.from(await account.sign!({ hash: payload }))
        return Transaction.serialize(fields, signature)
      }),
  )
  const signed = read(raw as Hex)
  if (!signed?.signer || signed.identity !== keccak256(concat([payload, account.address])))
    throw new Error(
      `tempo/charge: the account ${account.address} did not sign the transaction that it was given, as itself.`,
    )
  return signed
}

const SERIALIZER = { serializer: Transaction.serialize }

/** Signs typed data. */
export function signTypedData(account: Account, data: TypedDataDefinition): Promise<Hex> {
  return attempt(
    account.signTypedData && (() => account.signTypedData!(data)),
    account.sign && (() => account.sign!({ hash: hashTypedData(data) })),
  )
}

/**
 * viem wants every function of an account, so one that signs hashes alone has others that only say that they are not
 * there. Any other failure stands: a signer that refuses a transaction is not asked to sign its hash.
 */
async function attempt<value>(
  sign: (() => Promise<value>) | undefined,
  signHash: (() => Promise<value>) | undefined,
): Promise<value> {
  try {
    if (sign) return await sign()
  } catch (cause) {
    if (!signHash || !ABSENT.test(String((cause as Error | undefined)?.message))) throw cause
  }
  if (signHash) return signHash()
  throw new TypeError('tempo/charge: the account cannot sign this.')
}

const ABSENT = /not (?:supported|implemented|available)|unsupported|unimplemented/i

/** What lets an access key sign from now on, while the chain does not know of it. It travels with a transaction. */
export async function readAuthorization(
  { address: account, accessKeyAddress: accessKey, keyAuthorizationManager: manager }: Account,
  network: Network,
  signal: AbortSignal,
): Promise<Fields['keyAuthorization']> {
  if (!manager || !accessKey) return undefined
  const key = { address: account, accessKey, chainId: network.chainId }
  const pending = await manager.get(key)
  if (!pending || !(await network.readKey({ account, accessKey }, { signal }))) return pending
  await manager.remove(key)
  return undefined
}
