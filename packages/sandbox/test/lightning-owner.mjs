/** Runs a network with every facade, pays, stops, and must then end by itself. */
import { Lightning } from '../dist/lightning.js'

const [, , mode] = process.argv
const network = await Lightning.start({ quiet: mode !== 'loud' })
const { payer, payee } = network
await Lightning.lnd(payee)
await Lightning.phoenixd(payee)
const relay = await Lightning.relay()
await Lightning.nwc(payee, relay)
const { invoice, paymentHash } = payee.ledger.issue({ amountMsat: 1_000n, expirySeconds: 60 })
const order = { invoice, paymentHash, maxFeeMsat: 0n, timeoutSeconds: 600 }
if (mode === 'held') {
  const hold = payee.hold()
  const paying = payer.payInvoice(order)
  await hold.arrived()
  await network.stop()
  await paying.catch((error) => console.log(error.message))
} else {
  console.log((await payer.payInvoice(order)).status)
  await network.stop()
}
await relay.close()
