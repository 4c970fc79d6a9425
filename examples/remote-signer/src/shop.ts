/**
 * The seller: one page for a cent. It also pays the fees of those who buy, with a key that it does not have.
 *
 * @module
 */
import { Mpp } from '@polyrail/core/server'
import { tempo } from '@polyrail/tempo/server'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Address, LocalAccount } from 'viem'

/**
 * Opens the shop on a free port of this machine.
 *
 * @param options.recipient - The shop's wallet.
 * @param options.feePayer - Who pays the fees.
 * @returns Where the page is, and how to close.
 */
export async function open({ recipient, feePayer, rpcUrl, chainId }: open.Options) {
  const mpp = Mpp.create({
    methods: [tempo({ recipient, feePayer, rpcUrl, chainId })],
    realm: '127.0.0.1',
    secretKey: randomBytes(32).toString('base64'),
  })
  const page = mpp.charge({ amount: '0.01' })(() => new Response('Keys are best kept elsewhere.'))

  const server = createServer(Mpp.toNodeListener(page))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/page`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export declare namespace open {
  type Options = { recipient: Address; feePayer: LocalAccount; rpcUrl: string; chainId: number }
}
