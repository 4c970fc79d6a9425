/**
 * The seller: one page on a plain Node server, for a cent on Tempo or Stellar, ten satoshis over Lightning, half a
 * dollar by card or over Stripe, or ten points.
 *
 * @module
 */
import type { PublicKey } from '@polyrail/card/enabler'
import { card, type ServerEnabler } from '@polyrail/card/server'
import { Mpp } from '@polyrail/core/server'
import { lightning, type Wallet } from '@polyrail/lightning/server'
import { stellar } from '@polyrail/stellar/server'
import { stripe } from '@polyrail/stripe/server'
import { tempo } from '@polyrail/tempo/server'
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { accept, type Bank } from './points.js'

/**
 * Opens the shop on a free port of this machine.
 *
 * @param options.recipient - The shop's wallet on Tempo.
 * @param options.node - The shop's Lightning node.
 * @param options.account - The shop's account at Stripe.
 * @param options.psp - The shop's payment service for cards, and its public key.
 * @param options.chest - The shop's account on Stellar.
 * @returns Where the page is, and how to close.
 */
export async function open(options: open.Options) {
  const { recipient, rpcUrl, chainId, node, account, psp, chest, bank } = options
  const { key, ...gateway } = psp
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const jwksUri = `${origin}/jwks.json`
  const mpp = Mpp.create({
    methods: [
      tempo({ recipient, rpcUrl, chainId }),
      lightning({ wallet: node, network: 'regtest' }),
      stripe(account),
      card({ ...gateway, jwksUri, kid: key.kid }),
      stellar(chest),
      accept(bank),
    ],
    realm: '127.0.0.1',
    secretKey: randomBytes(32).toString('base64'),
  })

  const pay = mpp.compose(
    mpp.tempo.charge({ amount: '0.01', externalId: 'page-1', description: 'One page' }),
    mpp.lightning.charge({ amount: '10', memo: 'One page', description: 'One page' }),
    mpp.stripe.charge({ amount: '0.50', externalId: 'page-1', description: 'One page' }),
    mpp.card.charge({ amount: '0.50', externalId: 'page-1', description: 'One page' }),
    mpp.stellar.charge({ amount: '0.01', externalId: 'page-1', description: 'One page' }),
    mpp.points.charge({ amount: '10', description: 'One page' }),
  )
  const page = Mpp.toNodeListener(
    pay(() => Response.json({ page: 'What is worth a cent is worth reading.' })),
  )
  // Six challenges in one header leave no room for a key.
  const keys = Mpp.toNodeListener(card.jwks([key]))

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void (request.url === '/jwks.json' ? keys : page)(request, response)
  })
  return {
    url: `${origin}/page`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export declare namespace open {
  type Options = {
    recipient: `0x${string}`
    rpcUrl: string
    chainId: number
    node: Wallet
    account: stripe.Options
    psp: { enabler: ServerEnabler; key: PublicKey; merchantName: string }
    chest: stellar.Options
    bank: Bank
  }
}
