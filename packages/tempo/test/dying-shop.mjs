/**
 * A shop in a process of its own, whose books are on disk, for being killed at any moment: `node dying-shop.mjs <settings>`.
 *
 * @module
 */
import { createServer } from 'node:http'
import { tempo } from '@polyrail/tempo/server'
import { fileStore } from '@polyrail/street/file-store'
import { createSponsor, openShop } from './open-shop.mjs'

/** @type {{ folder: string, settle: number, rpcUrl: string, recipient: `0x${string}`, privateKey: `0x${string}` }} */
const { folder, settle, rpcUrl, recipient, privateKey } = JSON.parse(process.argv[2] ?? '')
const feePayer = createSponsor(privateKey)
const method = tempo.charge({ recipient, rpcUrl, chainId: 1337, feePayer })
const visit = openShop({ method, store: fileStore(folder), settle })

// Ends with the test, however that ends.
process.stdin.on('end', () => process.exit()).resume()

const listening = createServer(async ({ url = '', headers }, response) => {
  const answer = await visit(url, headers.authorization)
  response.writeHead(answer.status, [...answer.headers].flat())
  response.end(await answer.text())
}).listen(0, '127.0.0.1', () => {
  const address = listening.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
})
