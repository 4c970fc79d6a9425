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
  /** `source` is the account of the transaction, whose signature counts for the call too. */
  kind: 'source' | 'address' | 'other'
  /** Who agrees; empty where the kind says it. */
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
  tx: Transaction
  /** As hexadecimal text. */
  hash: string
  /** Its one operation, where that is a contract call without a source of its own. */
  call: xdr.InvokeContractArgs | undefined
  transfer: Transfer | undefined
  auth: readonly Authorization[]
  /** What it is known by, whatever is signed around it. */
  identity: string
}

/**
 * Reads a transaction.
 *
 * @returns `undefined` for what is none, is a fee bump, or is written in another way than it would be written again.
 */
export function read(text: string, passphrase: string): Signed | undefined {
  try {
    const envelope = xdr.TransactionEnvelope.fromXdr(text, 'base64')
    if (envelope.type !== 'envelopeTypeTx' || envelope.toXdr('base64') !== text) return undefined
    return take(new Transaction(envelope, passphrase), passphrase)
  } catch {
    return undefined
  }
}

/** Reads the transaction of a ledger; of a fee bump, what is inside it. */
export function readApplied(
  text: string,
  passphrase: string,
): { signed: Signed; hashes: readonly string[] } | undefined {
  try {
    const outer = TransactionBuilder.fromXdr(text, passphrase)
    const tx = outer instanceof FeeBumpTransaction ? outer.innerTransaction : outer
    const signed = take(tx, passphrase)
    return { signed, hashes: [signed.hash, hexOf(outer.hash())] }
  } catch {
    return undefined
  }
}

function take(tx: Transaction, passphrase: string): Signed {
  const hash = hexOf(tx.hash())
  const [operation, ...more] = tx.operations
  const isCall =
    more.length === 0 &&
    operation?.type === 'invokeHostFunction' &&
    operation.source === undefined &&
    operation.func.type === 'hostFunctionTypeInvokeContract'
  if (!isCall)
    return {
      raw: tx.toXdr(),
      tx,
      hash,
      call: undefined,
      transfer: undefined,
      auth: [],
      identity: `tx:${hash}`,
    }
  const call = operation.func.value as xdr.InvokeContractArgs
  const auth = (operation.auth ?? []).map((entry) => readEntry(entry, call, passphrase))
  const own = auth.find(({ kind }) => kind === 'address')
  return {
    raw: tx.toXdr(),
    tx,
    hash,
    call,
    transfer: readTransfer(call),
    auth,
    // An agreement counts once on the ledger, in whichever transaction it is.
    identity: own ? `auth:${own.address}:${own.nonce}` : `tx:${hash}`,
  }
}

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
  passphrase: string,
): Authorization {
  const { credentials, rootInvocation } = entry
  const { function: agreed, subInvocations } = rootInvocation
  const isForCall =
    agreed.type === 'sorobanAuthorizedFunctionTypeContractFn' &&
    agreed.contractFn.toXdr('base64') === call.toXdr('base64')
  const about = { isForCall, isNested: subInvocations.length > 0 }
  const nobody = { address: '', nonce: 0n, expiration: 0, readSigners: () => undefined }
  if (credentials.type === 'sorobanCredentialsSourceAccount')
    return { kind: 'source', ...nobody, ...about }
  if (credentials.type !== 'sorobanCredentialsAddress')
    return { kind: 'other', ...nobody, ...about }
  const { address, nonce, signatureExpirationLedger: expiration, signature } = credentials.address
  const readSigners = () => {
    const preimage = buildAuthorizationEntryPreimage(entry, expiration, passphrase)
    return whoSigned(signature, sha256(preimage.toXdr()))
  }
  const known = { address: Address.fromScAddress(address).toString(), nonce, expiration }
  return { kind: 'address', ...known, readSigners, ...about }
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
