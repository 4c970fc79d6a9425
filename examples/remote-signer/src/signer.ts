/**
 * The process that has the key, in place of a KMS or an HSM: it signs hashes, and sees nothing else of what it signs.
 *
 * `node signer.js 2` signs twice an hour.
 *
 * @module
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { isHex, size } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'

const limit = Number(process.argv[2] ?? 10)
const key = privateKeyToAccount(generatePrivateKey())
let signed: number[] = []

const server = createServer(async (request, response) => {
  const hash = await text(request)
  if (!isHex(hash) || size(hash) !== 32)
    return response.writeHead(400).end('This key signs hashes of 32 bytes.')

  // Its own rule. A hash tells no amount, so what it counts is signatures.
  signed = signed.filter((time) => time > Date.now() - 3_600_000)
  if (signed.length >= limit)
    return response.writeHead(403).end(`This key signs ${limit} times an hour.`)
  signed.push(Date.now())

  return response.end(await key.sign({ hash }))
})

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ address: key.address, url: `http://127.0.0.1:${port}` }))
})

// Whoever started it holds its standard input, and it ends with them, however they end.
process.stdin.resume().once('end', () => process.exit())
