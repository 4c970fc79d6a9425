/**
 * Accounts that live in a wallet, which is asked by JSON-RPC: it shows a person what it is asked, and sends by itself.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import {
  getTypesForEIP712Domain,
  isAddressEqual,
  isHex,
  numberToHex,
  serializeTypedData,
  type TypedData,
  type TypedDataDefinition,
} from 'viem'
import { Formatters } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'
import type { Calls, Network } from '../network.js'
import { conclude, lost, pause } from './push.js'
import type { Fields } from './signer.js'
import { read, type Signed } from './transaction.js'

/** Milliseconds that a payment may take from the wallet into a block. */
const PATIENCE = 60_000

/**
 * Errors by which a wallet says that it has not done what it was asked. Sources: EIP-1193 (4001, a person said no; 4100;
 * 4200), EIP-5792 (57xx), EIP-1474 (-32003, -3260x).
 */
const DEFINITE = /^(?:4001|4100|4200|57\d\d|-32003|-3260[012])$/
/** Of these, those by which it says that it does not know the method. */
const UNKNOWN_METHOD = /^(?:4200|-32601)$/
/** And those by which it says that it does not know what it was given. */
const UNKNOWN_FIELD = /^(?:5700|-32602)$/

type Payment = {
  from: Address
  calls: Calls
  feeToken: Address | undefined
  /** Epoch seconds after which nobody is asked, and nothing may be sent; infinite when there is no such time. */
  end: number
  signal: AbortSignal
}

/**
 * Makes sure that the wallet is on the chain, at this moment: its owner may switch it at any time.
 *
 * @throws PaymentError `settlement-unavailable` when it is on another one.
 */
export async function checkChain(network: Network): Promise<void> {
  const actual = Number(await network.request({ method: 'eth_chainId', params: [] }))
  if (actual !== network.chainId)
    throw new Errors.PaymentError('settlement-unavailable', {
      detail: `The wallet is on chain ${actual}, and payments here are on chain ${network.chainId}: switch it.`,
    })
}

/**
 * Has the wallet send calls in one transaction, and waits for its block.
 *
 * @returns The transaction's hash.
 * @throws PaymentError `payment-indeterminate` when they may have been sent, and nobody says what became of them; with
 * any other error nothing was paid.
 * @see Tempo charge draft, Hash Payload
 */
export async function sendCalls(network: Network, payment: Payment): Promise<Hex> {
  await checkChain(network)
  payment.signal.throwIfAborted()
  if (payment.end <= Date.now() / 1000)
    throw new Errors.PaymentError('payment-expired', {
      detail: 'The challenge ends too soon for the wallet to pay; nothing was paid.',
    })
  const { name, readState } = await send(network, payment)
  const end = Date.now() + PATIENCE
  for (let failure: unknown; ;) {
    const note = (cause: unknown) => void (failure = cause)
    const { hash, isFailed } = (await readState().catch(note)) ?? {}
    const receipt = hash && (await network.readReceipt(hash).catch(note))
    if (receipt) return conclude(receipt)
    if (isFailed) throw failed(name, hash)
    if (Date.now() > end)
      throw lost(`The wallet sent a payment that is in no block yet: ${name}.`, failure)
    await pause()
  }
}

const failed = (name: string, hash: Hex | undefined): Errors.PaymentError =>
  new Errors.PaymentError('verification-failed', {
    detail: hash
      ? `The wallet says that the transaction ${hash} was reverted; only its fee was paid.`
      : `The wallet says that it failed to send the payment ${name}; nothing was paid.`,
  })

/** What became of a payment by the word of the wallet. */
type State = {
  hash?: Hex | undefined
  /** Whether it failed for good. */
  isFailed?: boolean
}

/** What a wallet has sent, by its name for it. */
type Sent = { name: string; readState: () => Promise<State> }

/** Wallets without EIP-5792 can send one call. */
async function send(network: Network, { from, calls, feeToken, end }: Payment): Promise<Sent> {
  const [call, ...more] = calls
  const token = feeToken && { feeToken }
  const validBefore = end < Infinity ? end : undefined
  const batch = {
    version: '2.0.0',
    chainId: numberToHex(network.chainId),
    from,
    atomicRequired: more.length > 0,
    calls: calls.map(({ to, data }) => ({ to, data, value: '0x0' })),
  }
  try {
    const answer = await askEither(network, 'wallet_sendCalls', [
      validBefore && { ...batch, capabilities: { ...token, validBefore } },
      { ...batch, ...(token && { capabilities: token }) },
    ])
    const name = typeof answer === 'string' ? answer : String((answer as { id?: unknown })?.id)
    return { name, readState: () => readBundle(network, name) }
  } catch (cause) {
    if (more.length > 0 || !UNKNOWN_METHOD.test(codeOf(cause))) throw cause
  }
  const single = { from, ...call, chainId: batch.chainId, ...token }
  const hash = await askEither(network, 'eth_sendTransaction', [
    validBefore && { ...single, validBefore: numberToHex(validBefore) },
    single,
  ])
  return { name: String(hash), readState: async () => (isHex(hash) ? { hash } : {}) }
}

/** EIP-5792: a status of 4xx was never sent, one of 5xx is reverted whole. */
async function readBundle(network: Network, id: string): Promise<State> {
  const answer = await network.request({ method: 'wallet_getCallsStatus', params: [id] })
  const { status, receipts } = answer as {
    status?: unknown
    receipts?: readonly { transactionHash?: Hex }[]
  }
  const isFailed = Number(status) >= 400 && Number(status) < 600
  return { hash: receipts?.[0]?.transactionHash, isFailed }
}

/** Asks with Tempo's own fields, and without those that the wallet says it does not know. */
async function askEither(
  network: Network,
  method: string,
  [full, plain]: readonly [object | 0 | undefined, object],
): Promise<unknown> {
  try {
    if (full) return await ask(network, method, full)
  } catch (cause) {
    if (!UNKNOWN_FIELD.test(codeOf(cause))) throw cause
  }
  return ask(network, method, plain)
}

/** Asks for what moves money. Any answer that does not say no may mean yes. */
async function ask(network: Network, method: string, param: object): Promise<unknown> {
  try {
    return await network.request({ method, params: [param] })
  } catch (cause) {
    if (DEFINITE.test(codeOf(cause))) throw cause
    throw lost('The wallet was asked to pay, and did not say whether it did.', cause)
  }
}

/** The innermost code: what wraps the wallet's own error may have one too. */
function codeOf(cause: unknown): string {
  const { code, cause: inner } = (cause ?? {}) as { code?: unknown; cause?: unknown }
  const innermost = inner === undefined ? 'undefined' : codeOf(inner)
  return innermost === 'undefined' ? String(code) : innermost
}

/**
 * Has the wallet sign a transaction that the server broadcasts, and checks that it is the same payment. Its gas and fee
 * are the wallet's to choose.
 */
export async function signTransaction(
  network: Network,
  { address, fields }: { address: Address; fields: Fields },
): Promise<Signed> {
  const { feePayerSignature, ...own } = fields
  const isSponsored = feePayerSignature === null
  const asked = { ...own, account: { address }, ...(isSponsored && { feePayer: true }) }
  const request = Formatters.formatTransactionRequest(asked, 'signTransaction')
  const answer = await network.request({ method: 'eth_signTransaction', params: [request] })
  const raw = typeof answer === 'string' ? answer : (answer as { raw?: unknown })?.raw
  const signed = isHex(raw) ? read(raw) : undefined
  if (!signed || !isSame(signed.envelope, fields) || !isBy(signed, address))
    throw new Error(
      `tempo/charge: the wallet of ${address} did not sign the transaction that it was given, as itself.`,
    )
  return signed
}

function isSame(envelope: Signed['envelope'], fields: Fields): boolean {
  return (
    envelope.chainId === fields.chainId &&
    envelope.validBefore === fields.validBefore &&
    (envelope.feePayerSignature === null) === (fields.feePayerSignature === null) &&
    envelope.calls.map(show).join() === fields.calls.map(show).join()
  )
}

const show = ({ to, data, value }: Fields['calls'][number]): string =>
  `${to} ${data} ${value || 0n}`.toLowerCase()

const isBy = ({ signer }: Signed, address: Address): boolean =>
  signer !== undefined && isAddressEqual(signer.account, address)

/** Has the wallet sign typed data. */
export async function signTypedData(
  network: Network,
  { address, data }: { address: Address; data: TypedDataDefinition },
): Promise<Hex> {
  const { domain } = data
  const types = { EIP712Domain: getTypesForEIP712Domain({ domain }), ...data.types }
  const params = [address, serializeTypedData<TypedData, string>({ ...data, types })]
  return (await network.request({ method: 'eth_signTypedData_v4', params })) as Hex
}
