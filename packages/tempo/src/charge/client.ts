/**
 * Pays Tempo charges in pull mode: signs a transaction that the server broadcasts.
 *
 * @module
 */
import { Errors, Expires, Method } from '@polyrail/core'
import { isAddressEqual, type LocalAccount } from 'viem'
import { Transaction } from 'viem/tempo'
import {
  EXPIRING_NONCE_KEY,
  TESTNET,
  VALIDITY,
  stablecoinsOf,
  type Address,
  type Hex,
} from '../constants.js'
import { connect, type Location, type Network, type Quote } from '../network.js'
import { createMemo } from './attribution.js'
import { pickFeeToken, subtract, type Holding } from './fee.js'
import { charge as method, type Request } from './method.js'
import { read } from './transaction.js'
import { encodeTransfer, transferOf } from './transfer.js'

/**
 * Pays Tempo charges.
 *
 * @param options.account - A viem account that signs in this process or through `toAccount`.
 * @param options.currencies - What it pays in. Left out: the dollar stablecoins known on the chain.
 * @throws TypeError for an account that cannot sign transactions, or a chain whose endpoint is not known.
 * @example
 * const mpp = Mpp.create({ methods: [tempo.charge({ account, chainId: 42431 })], policy: { max: '0.05' } })
 * const response = await mpp.fetch('https://api.example.com/data')
 * @see Tempo charge draft, Submission Modes and Client-Paid Fees
 */
export function charge(options: charge.Options): charge.Rail {
  const { account, clientId } = options
  if (typeof account?.signTransaction !== 'function')
    throw new TypeError(
      'tempo/charge: account must sign transactions: make it with privateKeyToAccount or toAccount of viem/accounts, or Account of viem/tempo.',
    )
  const network = connect(options)
  const payer: Payer = {
    account,
    network,
    currencies: options.currencies ?? stablecoinsOf(network.chainId),
    feeToken: options.feeToken,
  }
  return Method.toClient(method, {
    accepts: ({ challenge }) => refusalOf(challenge.request, payer),

    async createCredential({ challenge, signal }) {
      const { request, expires } = challenge
      const refusal = refusalOf(request, payer)
      if (refusal) throw new Errors.PaymentError('method-unsupported', { detail: refusal })
      const memo = request.methodDetails?.memo
      const transfer = { ...transferOf(request), memo: memo ?? createMemo(challenge, clientId) }
      const validity = { validBefore: endOf(expires), ...(memo && { validAfter: createSalt() }) }
      const call = encodeTransfer(transfer)
      const { quote, feeToken } = await price(payer, { request, call, ...validity, signal })
      const signature = await sign(account, {
        type: 'tempo',
        chainId: network.chainId,
        calls: [call],
        feeToken,
        gas: quote.gas,
        maxFeePerGas: quote.maxFeePerGas,
        maxPriorityFeePerGas: quote.maxPriorityFeePerGas,
        nonceKey: EXPIRING_NONCE_KEY,
        nonce: 0,
        ...validity,
      })
      return {
        payload: { type: 'transaction', signature },
        source: `did:pkh:eip155:${network.chainId}:${account.address}`,
        authorization: true,
      }
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    account: Signer
    /** TIP-20 tokens to pay in. Left out: the dollar stablecoins known on the chain. */
    currencies?: readonly Address[] | undefined
    /** Token that pays the fee. Left out: the currency, or whichever of `currencies` can pay it. */
    feeToken?: Address | undefined
    /** A name of the paying software, for the server's statistics; its hash can be seen on the chain. */
    clientId?: string | undefined
  }
  /** As much of a viem account as is used. */
  type Signer = Pick<LocalAccount, 'address' | 'signTransaction'>
  type Rail = Method.Client<typeof method>
}

type Payer = {
  account: charge.Signer
  network: Network
  currencies: readonly Address[]
  feeToken: Address | undefined
}

/** Why this client does not pay a request. @see Tempo charge draft, Amount Verification */
function refusalOf(request: Request, { account, network, currencies }: Payer): string | undefined {
  const { chainId = TESTNET, feePayer, splits, supportedModes } = request.methodDetails ?? {}
  if (chainId !== network.chainId)
    return `The payment is on chain ${chainId}, and this wallet is on chain ${network.chainId}.`
  if (!currencies.some((currency) => isAddressEqual(currency, request.currency)))
    return `The currency ${request.currency} is not one that this client pays in: the option currencies can allow it.`
  if (isAddressEqual(request.recipient, account.address))
    return 'The payer and the recipient are the same account: pay from another one.'
  if (supportedModes && !supportedModes.includes('pull'))
    return 'The server does not broadcast transactions (pull mode), and this client does not either.'
  if (BigInt(request.amount) === 0n) return 'This client does not prove zero amounts.'
  if (feePayer) return 'This client does not sign sponsored transactions.'
  if (splits) return 'This client does not pay several recipients at once.'
  return undefined
}

/** Epoch seconds after which the transaction is void: soon, and never after the challenge. */
function endOf(expires: string | undefined): number {
  const soon = Math.floor(Date.now() / 1000) + VALIDITY
  return expires === undefined
    ? soon
    : Math.min(soon, Math.floor((Expires.parse(expires) ?? 0) / 1000))
}

let salts = Math.floor(Math.random() * 1_000_000)

/**
 * A time long past. Under a memo that is not the challenge's own, it is all that tells two equal payments of one second
 * apart: with the same bytes they would be one.
 */
const createSalt = (): number => ++salts

type Unsigned = {
  request: Request
  call: { to: Address; data: Hex }
  validBefore: number
  signal: AbortSignal
}

/** Asks what the payment costs and what the payer holds, and picks the token for the fee. */
async function price(
  { account, network, currencies, feeToken }: Payer,
  { request, call, validBefore, signal }: Unsigned,
): Promise<{ quote: Quote; feeToken: Address }> {
  const { currency } = request
  const from = account.address
  await network.checkChain({ signal })
  const quoting = network.quote(
    { from, call, feeToken: feeToken ?? currency, validBefore },
    { signal },
  )
  // What is missing says more than how the chain puts it.
  quoting.catch(() => {})
  const readBalance = (token: Address) => network.readBalance({ token, owner: from }, { signal })
  const left = subtract(await readBalance(currency), BigInt(request.amount))
  const quote = await quoting
  if (feeToken === undefined && left >= quote.fee) return { quote, feeToken: currency }
  const holdings = await Promise.all(
    (feeToken ? [feeToken] : currencies).map(async (token): Promise<Holding> => {
      return { token, balance: isAddressEqual(token, currency) ? left : await readBalance(token) }
    }),
  )
  return { quote, feeToken: pickFeeToken(holdings, quote.fee) }
}

type Fields = Transaction.TransactionSerializableTempo & { type: 'tempo' }

/** Signs, and checks what came back: a remote signer may have signed something else, or as someone else. */
async function sign(account: charge.Signer, fields: Fields): Promise<Hex> {
  const raw = await account.signTransaction(fields, { serializer: Transaction.serialize })
  const sender = read(raw)?.sender
  if (!sender || !isAddressEqual(sender, account.address))
    throw new Error(
      `tempo/charge: the account ${account.address} did not sign the transaction as itself.`,
    )
  return raw
}
