/**
 * Transactions as they travel: read strictly, and taken apart for judgement.
 *
 * @module
 */
import {
  Address,
  buildAuthorizationEntryPreimage,
  FeeBumpTransaction,
  hash as sha256,
  Keypair,
  scValToNative,
  StrKey,
  Transaction,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk/base'

/** A call of `transfer`. Amounts are base units of the token. */
export type Transfer = {
  token: string
  from: string
  to: string
  amount: bigint
}

/** Who agrees to a call. */
export type Authorization = {
  /** `source` is the account whose signature around the transaction counts for the call too; `address-v2` is of CAP-71. */
  kind: 'source' | 'address' | 'address-v2' | 'other'
  /** Who agrees; empty where that is not known. */
  address: string
  nonce: bigint
  /** The last ledger in which it counts. */
  expiration: number
  /** Whether it is for this very call. */
  isForCall: boolean
  /** Whether it is for other calls besides. */
  isNested: boolean
  /**
   * Reads which accounts have signed; undefined where a signature is wrong, or has a shape of its own. Signatures are dear to check,
   * and cheap to send by the hundred: nobody's are until all else is good.
   */
  readSigners: () => readonly string[] | undefined
}

/** A transaction that can be read. */
export type Signed = {
  /** As XDR, the way that it came. */
  raw: string
  /** Of a fee bump, what is inside it. */
  tx: Transaction
  isFeeBump: boolean
  /** Of `tx`, as hexadecimal text: by it the network finds a fee bump, too. */
  hash: string
  /** Who makes the call: the source of the operation, where it has one, else that of the transaction. */
  invoker: string
  transfer: Transfer | undefined
  auth: readonly Authorization[]
  /** What it is known by, whatever is signed around it. */
  identity: string
}

/**
 * Reads a transaction.
 *
 * @returns `undefined` for what is none, is in the form of old, or is written in another way than it would be written again.
 */
export function read(text: string, passphrase: string): Signed | undefined {
  try {
    const envelope = xdr.TransactionEnvelope.fromXdr(text, 'base64')
    if (envelope.type === 'envelopeTypeTxV0' || envelope.toXdr('base64') !== text) return undefined
    return take(TransactionBuilder.fromXdr(envelope, passphrase), passphrase)
  } catch {
    return undefined
  }
}

/** Reads the transaction of a ledger, with each hash that it is found by. */
export function readApplied(
  text: string,
  passphrase: string,
): { signed: Signed; hashes: readonly string[] } | undefined {
  try {
    const outer = TransactionBuilder.fromXdr(text, passphrase)
    const signed = take(outer, passphrase)
    return { signed, hashes: [signed.hash, hexOf(outer.hash())] }
  } catch {
    return undefined
  }
}

function take(outer: Transaction | FeeBumpTransaction, passphrase: string): Signed {
  const isFeeBump = outer instanceof FeeBumpTransaction
  const tx = isFeeBump ? outer.innerTransaction : outer
  const hash = hexOf(tx.hash())
  const [operation, ...more] = tx.operations
  const invoker = operation?.source ?? tx.source
  const known = { raw: outer.toXdr(), tx, isFeeBump, hash, invoker }
  const isCall =
    more.length === 0 &&
    operation?.type === 'invokeHostFunction' &&
    operation.func.type === 'hostFunctionTypeInvokeContract'
  if (!isCall) return { ...known, transfer: undefined, auth: [], identity: `tx:${hash}` }
  const call = operation.func.value as xdr.InvokeContractArgs
  const transfer = readTransfer(call)
  const auth = (operation.auth ?? []).map((entry) =>
    readEntry(entry, call, { invoker, passphrase }),
  )
  // An agreement counts once on the ledger, in whichever transaction it is. Only the payer's own: anybody may put others beside it.
  const own = auth.find((entry) => isByAddress(entry) && entry.address === transfer?.from)
  const identity = own ? `auth:${own.address}:${own.nonce}` : `tx:${hash}`
  return { ...known, transfer, auth, identity }
}

/** Whether somebody agrees by a signature and a nonce of their own, in either form. */
export const isByAddress = ({ kind }: Pick<Authorization, 'kind'>): boolean =>
  kind === 'address' || kind === 'address-v2'

function readTransfer({
  contractAddress,
  functionName,
  args,
}: xdr.InvokeContractArgs): Transfer | undefined {
  const [from, to, amount, ...more] = args
  if (functionName.toString() !== 'transfer' || more.length > 0) return undefined
  if (from?.type !== 'scvAddress' || to?.type !== 'scvAddress' || amount?.type !== 'scvI128')
    return undefined
  return {
    token: Address.fromScAddress(contractAddress).toString(),
    from: Address.fromScAddress(from.value).toString(),
    to: Address.fromScAddress(to.value).toString(),
    amount: scValToNative(amount),
  }
}

function readEntry(
  entry: xdr.SorobanAuthorizationEntry,
  call: xdr.InvokeContractArgs,
  { invoker, passphrase }: { invoker: string; passphrase: string },
): Authorization {
  const { credentials, rootInvocation } = entry
  const { function: agreed, subInvocations } = rootInvocation
  const isForCall =
    agreed.type === 'sorobanAuthorizedFunctionTypeContractFn' &&
    agreed.contractFn.toXdr('base64') === call.toXdr('base64')
  const about = { isForCall, isNested: subInvocations.length > 0 }
  const nobody = { address: '', nonce: 0n, expiration: 0, readSigners: () => undefined }
  if (credentials.type === 'sorobanCredentialsSourceAccount')
    return { kind: 'source', ...nobody, address: invoker, ...about }
  const kind = ADDRESSED[credentials.type]
  if (kind === undefined) return { kind: 'other', ...nobody, ...about }
  const given = credentials.value as xdr.SorobanAddressCredentials
  const { address, nonce, signatureExpirationLedger: expiration, signature } = given
  const readSigners = () => {
    const preimage = buildAuthorizationEntryPreimage(entry, expiration, passphrase)
    return whoSigned(signature, sha256(preimage.toXdr()))
  }
  const known = { address: Address.fromScAddress(address).toString(), nonce, expiration }
  return { kind, ...known, readSigners, ...about }
}

const ADDRESSED: Readonly<Record<string, 'address' | 'address-v2'>> = {
  sorobanCredentialsAddress: 'address',
  sorobanCredentialsAddressV2: 'address-v2',
}

/** The most signatures of one account. Source: the network's `MAX_ACCOUNT_SIGNATURES`. */
const MOST_SIGNATURES = 20

/** Signatures of accounts: a vector of maps of `public_key` and `signature`. */
function whoSigned(signature: xdr.ScVal, payload: Uint8Array): string[] | undefined {
  if (signature.type !== 'scvVec') return undefined
  const signed: unknown = scValToNative(signature)
  if (!Array.isArray(signed) || signed.length > MOST_SIGNATURES) return undefined
  const keys = signed.map((one: unknown) => {
    const { public_key: key, signature: bytes } = Object(one)
    if (!(key instanceof Uint8Array) || key.length !== 32 || !(bytes instanceof Uint8Array))
      return undefined
    const address = StrKey.encodeEd25519PublicKey(key)
    return isSignedBy(address, payload, bytes) ? address : undefined
  })
  return keys.length > 0 && keys.every((key) => key !== undefined) ? keys : undefined
}

/** The keys, among those that are given, that have signed a transaction. A signature counts for the key that its hint names. */
export function signersOf({ tx }: Signed, keys: readonly string[]): string[] {
  const message = tx.hash()
  return keys.filter((key) => {
    const hint = hexOf(Keypair.fromPublicKey(key).signatureHint())
    const named = tx.signatures.filter((one) => hexOf(one.hint.toBytes()) === hint)
    return named.some(({ signature }) => isSignedBy(key, message, signature.toBytes()))
  })
}

/** Whether the holder of a `G…` key has signed. */
export function isSignedBy(key: string, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return signature.length === 64 && Keypair.fromPublicKey(key).verify(message, signature)
  } catch {
    return false
  }
}

/** What a signed hash is signed over. Deployed: the text of challenge and hash, in bytes. */
export const bindingOf = (challengeId: string, hash: string): Uint8Array =>
  new TextEncoder().encode(`${challengeId}:${hash.toLowerCase()}`)

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

export const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
