/**
 * Lightning charges between real nodes, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Rail } from '@polyrail/conformance'
import { Lightning } from '@polyrail/sandbox/lightning'
import type { charge } from '@polyrail/lightning'
import { lightning as paying } from '@polyrail/lightning/client'
import { lightning as paid } from '@polyrail/lightning/server'

const network = 'regtest'

/** Starts a network of a payer and a shop. */
export async function start() {
  const nodes = await Lightning.start({ quiet: true })
  const { payer, payee: shop } = nodes
  return {
    nodes,
    payer,
    shop,
    network,
    server: paid.charge({ wallet: shop, network, unpaid: { total: 1e6, perClient: 1e6 } }),
    client: paying.charge({ wallet: payer, network }),
  } as const
}

/** A preimage and its hash. */
export function createSecret() {
  const preimage = randomBytes(32).toString('hex')
  return { preimage, paymentHash: hashOf(preimage) }
}

export const hashOf = (preimage: string): string =>
  createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex')

/** The fixture of the conformance suite. */
export async function createRail() {
  const { nodes, payer, shop, server, client } = await start()
  const other = await nodes.node({ peer: payer })
  return {
    server,
    client,
    options: { amount: '10' },
    dearer: { amount: '20' },
    capabilities: {
      pushes: true,
      issues: true,
      bindsChallenge: true,
      namesPayer: false,
      reconciles: true,
    },
    async tamper({ preimage }, { request }) {
      const { paymentHash = '' } = request.methodDetails
      const elsewhere = other.ledger.issue({ amountMsat: 10_000n, expirySeconds: 60 })
      const foreign = await payer.payInvoice({
        invoice: elsewhere.invoice,
        paymentHash: elsewhere.paymentHash,
        maxFeeMsat: 10_000n,
        timeoutSeconds: 10,
      })
      if (foreign.status !== 'paid') throw new Error('The other invoice is not paid.')
      const invalid = (title: string, value: unknown) => ({ title, payload: { preimage: value } })
      const malformed = (title: string, value: unknown) => ({
        ...invalid(title, value),
        code: 'malformed-credential',
      })
      return [
        invalid('a made-up preimage', createSecret().preimage),
        invalid('the payment hash itself', paymentHash),
        invalid('the preimage of another paid invoice', foreign.preimage),
        malformed('a preimage in capitals', preimage.toUpperCase().replace(/^\d+$/, 'A')),
        malformed('a preimage of 31 bytes', preimage.slice(2)),
        malformed('a preimage of 33 bytes', `${preimage}00`),
        malformed('a preimage of spaces', ' '.repeat(64)),
        malformed('a number for a preimage', 1),
        malformed('no preimage', undefined),
      ]
    },
    fault: () => undefined,
    settled: () => shop.income.count,
    exempt: {
      'recovery/unknown-is-503':
        'settling asks nobody: the preimage is checked by its hash alone, so that no outcome is ever unknown',
    },
    stop: () => nodes.stop(),
  } satisfies Rail<typeof charge>
}
