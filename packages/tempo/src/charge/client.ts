/**
 * Pays Tempo charges: signs a transaction that the server broadcasts, or broadcasts it, or proves an account for nothing.
 *
 * @module
 */
import { Errors, Method } from '@polyrail/core'
import { MOST_SPLITS, stablecoinsOf, type Address, type Hex } from '../constants.js'
import { connect, type Location } from '../network.js'
import { cover } from './funding.js'
import { charge as method, type Mode } from './method.js'
import { endOf, isFree, modeOf, refusalOf, type Challenge } from './offer.js'
import { createCalls, sign, type Payer, type Payment } from './payment.js'
import { checkChecksum, toBaseUnits } from './price.js'
import { proofsOf, sourceOf } from './proof.js'
import { push } from './push.js'
import { isSigning, signTypedData, type Account } from './signer.js'
import { planOf } from './swap.js'
import * as wallet from './wallet.js'

/**
 * Pays Tempo charges.
 *
 * @param options.account - Any viem account; one that lives in a wallet is asked through `client`.
 * @param options.mode - Left out: an account that signs lets the server broadcast (pull), one in a wallet has the wallet
 * do it (push), and either does the other where the server takes nothing else.
 * @param options.currencies - What it pays in. Left out: the dollar stablecoins known on the chain.
 * @throws TypeError for an account that cannot sign, an address with a wrong checksum, or a chain whose endpoint is not known.
 * @example
 * const mpp = Mpp.create({ methods: [tempo.charge({ account, chainId: 42431 })], policy: { max: '0.05' } })
 * const response = await mpp.fetch('https://api.example.com/data')
 * @see Tempo charge draft, Submission Modes, Proof Payload and Client-Paid Fees
 */
export function charge(options: charge.Options): charge.Rail {
  const payer = createPayer(options)
  const { terms, network, account } = payer
  const source = sourceOf({ account: account.address, chainId: network.chainId })
  return Method.toClient(method, {
    accepts: ({ challenge }) => refusalOf(challenge, terms),

    async createCredential({ challenge, signal }) {
      const { request } = challenge
      const refusal = refusalOf(challenge, terms)
      if (refusal) throw new Errors.PaymentError('method-unsupported', { detail: refusal })
      if (isFree(request))
        return { ...(await prove(payer, challenge)), source, authorization: true }
      await (payer.isWallet ? wallet.checkChain(network) : network.checkChain({ signal }))
      const mode = modeOf(request, terms) ?? 'pull'
      const calls = createCalls(challenge, options.clientId)
      const payment = { challenge, calls, end: endOf(challenge, mode), signal }
      if (mode === 'push')
        return { payload: { type: 'hash', hash: await send(payer, payment) }, source }
      const { raw } = await sign(payer, payment)
      return { payload: { type: 'transaction', signature: raw }, source, authorization: true }
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    /** Who pays. Left out: the account of `client`. */
    account?: Account | undefined
    /** Who broadcasts. Left out: the server (pull) where it does, but a wallet does it itself (push). */
    mode?: Mode | undefined
    /** TIP-20 tokens to pay in. Left out: the dollar stablecoins known on the chain. */
    currencies?: readonly Address[] | undefined
    /** Who may be paid, splits included. Left out: whoever is asked for. */
    recipients?: readonly Address[] | undefined
    /** Most splits of a payment (default 10). */
    maxSplits?: number | undefined
    /** Token that pays the fee. Left out: the currency, or whichever of `currencies` can pay it. */
    feeToken?: Address | undefined
    /**
     * Most that a fee may come to, in whole units; what a wallet sends by itself is not held to it. Left out: 0.05, 0.02 for each
     * transfer after the first, 0.05 for a swap and 0.1 for an access key that the chain does not know yet.
     */
    maxFee?: string | undefined
    /** Whether a currency that is missing is bought for another one on the chain's DEX (default false). */
    swap?: planOf.Option
    /** A name of the paying software, for the server's statistics; its hash can be seen on the chain. */
    clientId?: string | undefined
  }
  type Rail = Method.Client<typeof method>
}

/** The account, and what its owner allows. */
function createPayer(options: charge.Options): Payer {
  checkOptions(options)
  const { client, mode, recipients, feeToken, maxFee } = options
  const account: Account | undefined = options.account ?? client?.account
  const isWallet = !account || !isSigning(account)
  if (!account || (isWallet && !client))
    throw new TypeError(
      'tempo/charge: account must sign transactions or hashes (privateKeyToAccount, toAccount, Account of viem/tempo), or live in a wallet that client reaches.',
    )
  const network = connect(options)
  const currencies = options.currencies ?? stablecoinsOf(network.chainId)
  const { maxSplits = MOST_SPLITS } = options
  return {
    account,
    isWallet,
    network,
    currencies,
    feeToken,
    maxFee: maxFee === undefined ? undefined : BigInt(toBaseUnits(maxFee)),
    owner: account.address,
    plan: planOf(options.swap, currencies),
    terms: {
      chainId: network.chainId,
      payer: account.address,
      currencies,
      recipients,
      maxSplits,
      mode,
      preferred: isWallet ? 'push' : 'pull',
    },
  }
}

function checkOptions({ mode, recipients = [], currencies = [], feeToken, swap }: charge.Options) {
  if (mode !== undefined && mode !== 'pull' && mode !== 'push')
    throw new TypeError("tempo/charge: mode is 'pull' or 'push'.")
  for (const recipient of recipients) checkChecksum(recipient, 'recipients')
  for (const currency of currencies) checkChecksum(currency, 'currencies')
  if (feeToken) checkChecksum(feeToken, 'feeToken')
  if (typeof swap === 'object')
    for (const token of swap.from ?? []) checkChecksum(token, 'swap.from')
}

/** Signs the typed data of the draft, and that of deployed software for servers that know no other. */
async function prove({ account, network, isWallet }: Payer, challenge: Challenge) {
  const { address } = account
  const [drafted, deployed] = proofsOf(challenge, { account: address, chainId: network.chainId })
  const write = async (data: typeof drafted) => ({
    type: 'proof' as const,
    signature: await (isWallet
      ? wallet.signTypedData(network, { address, data })
      : signTypedData(account, data)),
  })
  // One after the other, as a person may be asked.
  return { payload: await write(drafted), alternate: await write(deployed) }
}

/** Broadcasts the payment, or has the wallet do it. From here on nothing calls it off. */
async function send(payer: Payer, payment: Payment): Promise<Hex> {
  const { network, owner, feeToken, isWallet } = payer
  const { challenge, end, signal } = payment
  if (!isWallet) return push(network, await sign(payer, payment))
  const { calls } = await cover(payer, { ...payment, request: challenge.request })
  return wallet.sendCalls(network, { from: owner, calls, feeToken, end, signal })
}
