/**
 * A shop in a process of its own, whose books are on disk, for being killed at any moment: `node dying-shop.mjs <settings>`.
 *
 * @module
 */
import { createServer } from 'node:http'
import { Mpp } from '@polyrail/core/server'
import { card, httpEnabler } from '@polyrail/card/server'
import { fileStore } from '@polyrail/street/file-store'

/** @type {{ folder: string, settle: number, acquirer: { url: string, apiKey: string }, key: import('@polyrail/card/enabler').PublicKey, capture: 'before' | 'after', page: 'good' | 'bad' | 'never' }} */
const { folder, settle, acquirer, page: kind, ...terms } = JSON.parse(process.argv[2] ?? '')
const enabler = httpEnabler({ ...acquirer, timeout: settle })
const mpp = Mpp.create({
  methods: [card({ ...terms, enabler, merchantName: 'Shop' })],
  realm: 'shop.example',
  secretKey: 'a secret of this test, which is long enough',
  store: fileStore(folder),
  deadlines: { settle, wait: settle, lease: settle * 2 },
})
const page = mpp.charge({ amount: '0.50' })(async () => {
  if (kind === 'never') {
    console.log('making the page')
    await new Promise(() => {})
  }
  return new Response('goods', { status: kind === 'bad' ? 500 : 200 })
})

/** @param {string} receipt */
const giveBack = (receipt) =>
  mpp.refund(JSON.parse(receipt)).then(
    ({ amount, left }) => new Response(`${amount} back, ${left} left`),
    (error) => new Response(error.code, { status: 409 }),
  )

// Ends with the test, however that ends.
process.stdin.on('end', () => process.exit()).resume()

const listening = createServer(async ({ headers }, response) => {
  const { authorization, refund } = headers
  const init = authorization === undefined ? {} : { headers: { authorization } }
  // As if it came from the shop's own address.
  const answer = refund
    ? await giveBack(String(refund))
    : await page(new Request('https://shop.example/page', init))
  response.writeHead(answer.status, [...answer.headers].flat())
  response.end(await answer.text())
}).listen(0, '127.0.0.1', () => {
  const address = listening.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
})
