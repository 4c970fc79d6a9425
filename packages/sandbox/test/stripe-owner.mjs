/** Starts a Stripe, pays, stops, and must then end by itself. */
import { Stripe } from 'stripe'
import { LocalStripe } from '../dist/stripe.js'

const local = await LocalStripe.start()
const stripe = new Stripe(local.secretKey, local.options)
local.fault({ call: 'GET /v1/balance', fail: 'hang' })
void stripe.balance.retrieve().catch(() => {})
const token = await local.grant({ amount: 500n })
const paid = await stripe.rawRequest(
  'POST',
  '/v1/payment_intents',
  { amount: 500, currency: 'usd', confirm: true, shared_payment_granted_token: token },
  { apiVersion: '2026-07-29.preview' },
)
console.log(paid.status, String(local.captured.usd?.sum))
await local.stop()
