/**
 * This repository's server, paid over Lightning by a wallet that costs it nothing while the clock runs: invoices are signed,
 * and their preimages shown, before.
 *
 * @module
 */
import { Challenge, Credential } from '@polyrail/core'
import { Mpp, Store } from '@polyrail/core/server'
import { lightning } from '@polyrail/lightning/server'
import bolt11 from 'bolt11'
import { createHash, randomBytes } from 'node:crypto'
import { data, flat, paid, realm, secretKey } from '../../terms.mjs'

const network = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] }

/** @type {Map<string, string>} */
const preimages = new Map()

const wallet = {
  /** @param {{ amountMsat?: bigint | undefined, expirySeconds: number }} terms */
  async createInvoice({ amountMsat, expirySeconds }) {
    const secret = randomBytes(32)
    const hash = createHash('sha256').update(secret).digest('hex')
    preimages.set(hash, secret.toString('hex'))
    const tags = [
      { tagName: 'payment_hash', data: hash },
      { tagName: 'description', data: '' },
      { tagName: 'expire_time', data: expirySeconds },
    ]
    const unsigned = bolt11.encode({ network, millisatoshis: String(amountMsat), tags })
    return bolt11.sign(unsigned, '01'.repeat(32)).paymentRequest ?? ''
  },
}

function sell() {
  const method = lightning.charge({ wallet, network: 'regtest', unpaid: { total: 1e9 } })
  const mpp = Mpp.create({ methods: [method], realm, secretKey, store: Store.memory() })
  const handler = mpp.charge({ amount: '10' })
  const visit = async (/** @type {Request} */ request) => {
    const payment = await handler(request)
    return payment.status === 402 ? payment.challenge : payment.withReceipt(Response.json(data))
  }
  return paid(visit, pay, 'payment-receipt')
}

/** @param {number} _index @param {Response} response */
function pay(_index, response) {
  const [challenge] = /** @type {any[]} */ (Challenge.parse(response.headers))
  const { paymentHash } = challenge.request.methodDetails
  const payload = { preimage: preimages.get(paymentHash) }
  preimages.delete(paymentHash)
  return { authorization: flat(Credential.serialize({ challenge, payload })) }
}

export const cases = { paid: sell }
