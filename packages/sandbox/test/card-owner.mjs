/** Starts a card network, pays, stops, and must then end by itself. */
import { LocalCards } from '../dist/card.js'

const local = await LocalCards.start()
local.fault({ call: 'GET /v1/charges/:key', fail: 'hang' })
const headers = { authorization: `Bearer ${local.acquirer.apiKey}`, 'idempotency-key': 'one' }
void fetch(`${local.acquirer.url}/charges/one`, { headers }).catch(() => {})
const answer = await fetch(`${local.acquirer.url}/charges`, {
  method: 'POST',
  headers,
  body: JSON.stringify({
    amount: '500',
    currency: 'usd',
    merchantName: 'Shop',
    acceptedNetworks: ['visa'],
    kid: local.key.kid,
    payload: local.issue({ amount: '500' }),
  }),
})
console.log((await answer.json()).status, String(local.captured.usd?.sum))
await local.stop()
