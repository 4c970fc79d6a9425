/**
 * Pays Stellar charges: signs what the server sends, or sends it and shows its hash.
 *
 * @module
 */
import { Errors, Method } from '@polyrail/core'
import { kindOf } from '../address.js'
import { DECIMALS, USDC } from '../constants.js'
import { connect, type Location } from '../network.js'
import { checkSigner, type Signer } from '../signer.js'
import { charge as method } from './method.js'
import { refusalOf, type Mode, type Terms } from './offer.js'
import { toBaseUnits } from './price.js'
import { createTurns } from './turns.js'

/**
 * Pays Stellar charges.
 *
 * @param options.account - A `Keypair`, or anything that signs as one.
 * @param options.payer - A contract account that `account` signs for. Left out: `account` itself.
 * @param options.mode - Who sends the transaction: left out, the server (pull) where it does, else the client (push).
 * @param options.currencies - What it pays in. Left out: USDC of the network.
 * @throws TypeError for an account that cannot sign, an address that is none, or a network that is not known.
 * @example
 * const mpp = Mpp.create({ methods: [stellar.charge({ account, network: 'stellar:testnet' })], policy: { max: '0.05' } })
 * const response = await mpp.fetch('https://api.example.com/data')
 * @see Stellar charge draft, Fee Payment
 */
export function charge(options: charge.Options): charge.Rail {
  const { account, maxFee = '0.1', ...rest } = options
  checkSigner(account, 'account')
  const network = connect(options)
  const terms = termsOf(rest, { payer: rest.payer ?? account.publicKey(), network: network.id })
  const wallet = {
    account,
    network,
    terms,
    maxFee: BigInt(toBaseUnits(maxFee, DECIMALS, 'maxFee')),
    turns: createTurns([account]),
  }
  return Method.toClient(method, {
    accepts: ({ challenge }) => refusalOf(challenge, terms),

    async createCredential({ challenge, signal, on }) {
      const refusal = refusalOf(challenge, terms)
      if (refusal) throw new Errors.PaymentError('method-unsupported', { detail: refusal })
      await network.checkNetwork({ signal })
      // The SDK is loaded for the first payment, and never for a choice among offers.
      const { prove } = await import('./payment.js')
      return prove(wallet, { challenge, signal, on })
    },
  })
}

export declare namespace charge {
  type Options = Location & {
    /** Who signs. */
    account: Signer
    /** Who pays, where that is a contract account: `C…`. It pays only where the server pays the fee. */
    payer?: string | undefined
    /** Who sends the transaction. Left out: the server (pull) where it does, else the client (push). */
    mode?: Mode | undefined
    /** SEP-41 tokens to pay in, `C…`. Left out: USDC of the network. */
    currencies?: readonly string[] | undefined
    /** Who may be paid. Left out: whoever is asked for. */
    recipients?: readonly string[] | undefined
    /** Most lumens that a fee may come to: '0.1'. */
    maxFee?: string | undefined
  }
  type Rail = Method.Client<typeof method>
}

function termsOf(
  { mode, currencies, recipients, payer: contract }: Omit<charge.Options, 'account' | 'maxFee'>,
  { payer, network }: Pick<Terms, 'network' | 'payer'>,
): Terms {
  if (mode !== undefined && mode !== 'pull' && mode !== 'push')
    throw new TypeError("stellar/charge: mode is 'pull' or 'push'.")
  if (contract !== undefined && kindOf(contract) !== 'contract')
    throw new TypeError('stellar/charge: payer is the address of a contract account, C….')
  const listed = currencies ?? [USDC[network]]
  for (const currency of listed)
    if (kindOf(currency) !== 'contract')
      throw new TypeError(`stellar/charge: currencies are contracts of tokens, not ${currency}.`)
  for (const recipient of recipients ?? [])
    if (kindOf(recipient) === undefined)
      throw new TypeError(`stellar/charge: recipients must be Stellar addresses, not ${recipient}.`)
  return { network, payer, currencies: listed, recipients, mode }
}
