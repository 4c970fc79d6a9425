/**
 * A shop in a process of its own, whose books are on disk, for being killed at any moment: `node dying-shop.mjs <settings>`.
 *
 * @module
 */
import { createServer } from 'node:http'
import { Mpp } from '@polyrail/core/server'
import { stellar } from '@polyrail/stellar/server'
import { Keypair } from '@stellar/stellar-sdk'
import { fileStore } from '@polyrail/street/file-store'

/** @type {{ folder: string, settle: number, rpcUrl: string, recipient: string, currency: string, secret?: string }} */
const { folder, settle, secret, ...at } = JSON.parse(process.argv[2] ?? '')
const feePayer = secret === undefined ? undefined : Keypair.fromSecret(secret)
const mpp = Mpp.create({
  methods: [stellar.charge({ ...at, network: 'stellar:testnet', feePayer })],
  realm: 'shop.example',
  secretKey: 'a secret of this test, which is long enough',
  store: fileStore(folder),
  deadlines: { settle, wait: settle, lease: settle * 2 },
})
const page = mpp.charge({ amount: '0.01' })(() => new Response('goods'))

// Ends with the test, however that ends.
process.stdin.on('end', () => process.exit()).resume()

const listening = createServer(async ({ headers }, response) => {
  const { authorization } = headers
  const init = authorization === undefined ? {} : { headers: { authorization } }
  // As if it came from the shop's own address.
  const answer = await page(new Request('https://shop.example/page', init))
  response.writeHead(answer.status, [...answer.headers].flat())
  response.end(await answer.text())
}).listen(0, '127.0.0.1', () => {
  const address = listening.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
})
