import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, expect, test } from 'vitest'

let network: Lightning.Network
let shop: Lightning.Phoenixd
let wallet: Lightning.Phoenixd

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  shop = await Lightning.phoenixd(network.payee)
  wallet = await Lightning.phoenixd(network.payer, { password: 'secret' })
})
afterAll(() => network.stop())

async function call(
  phoenixd: Lightning.Phoenixd,
  request: string,
  form?: Record<string, string>,
  password = phoenixd.password,
) {
  const [method = '', path = ''] = request.split(' ')
  const response = await fetch(`${phoenixd.url}${path}`, {
    method,
    headers: { authorization: `Basic ${btoa(`:${password}`)}` },
    ...(form ? { body: new URLSearchParams(form) } : {}),
  })
  const text = await response.text()
  return { status: response.status, text, json: () => JSON.parse(text) }
}

const bill = async (form: Record<string, string> = {}) =>
  (
    await call(shop, 'POST /createinvoice', { description: 'a page', amountSat: '21', ...form })
  ).json() as { amountSat?: number; paymentHash: string; serialized: string }

const pay = async (invoice: string, form: Record<string, string> = {}) =>
  (await call(wallet, 'POST /payinvoice', { invoice, ...form })).json()

test('an invoice is made, paid and looked up by all its names', async () => {
  const invoice = await bill({ externalId: 'order 7', expirySeconds: '60' })
  expect(invoice).toMatchObject({ amountSat: 21, serialized: expect.stringMatching(/^lnbcrt210n/) })
  const incoming = `GET /payments/incoming/${invoice.paymentHash}`
  const before = (await call(shop, incoming)).json()
  expect(before).toMatchObject({ isPaid: false, receivedSat: 0, externalId: 'order 7' })
  expect(before.expiresAt - before.createdAt).toBe(60_000)

  const paid = await pay(invoice.serialized)
  expect(paid).toMatchObject({
    recipientAmountSat: 21,
    routingFeeSat: 0,
    paymentHash: invoice.paymentHash,
    paymentPreimage: before.preimage,
  })
  expect((await call(shop, incoming)).json()).toMatchObject({ isPaid: true, receivedSat: 21 })
  const byId = (await call(wallet, `GET /payments/outgoing/${paid.paymentId}`)).json()
  const byHash = `GET /payments/outgoingbyhash/${invoice.paymentHash}`
  expect(byId).toMatchObject({ isPaid: true, sent: 21, fees: 0, preimage: paid.paymentPreimage })
  expect((await call(wallet, byHash)).json()).toEqual(byId)
})

test('a failure is 200 with a reason', async () => {
  const { serialized, paymentHash } = await bill()
  await pay(serialized)
  expect(await pay(serialized)).toEqual({
    paymentHash,
    reason: 'this invoice has already been paid',
  })
  const dear = await bill({ amountSat: '1000000000' })
  expect(await pay(dear.serialized)).toMatchObject({
    reason: expect.stringMatching(/not enough funds/),
  })
  const byHash = await call(wallet, `GET /payments/outgoingbyhash/${dear.paymentHash}`)
  expect(byHash.json()).toMatchObject({ isPaid: false, completedAt: expect.any(Number) })
})

test('an invoice that is being paid is not paid again', async () => {
  const hold = network.payee.hold()
  const { serialized, paymentHash } = await bill()
  const paying = pay(serialized)
  await hold.arrived()
  expect(await pay(serialized)).toMatchObject({
    reason: expect.stringMatching(/another payment is in progress/),
  })
  const byHash = (await call(wallet, `GET /payments/outgoingbyhash/${paymentHash}`)).json()
  expect(byHash).toMatchObject({ isPaid: false })
  expect(byHash).not.toHaveProperty('completedAt')
  hold.release()
  expect(await paying).toHaveProperty('paymentPreimage')
})

test('an amount is told for an invoice without one', async () => {
  const { invoice } = network.payee.ledger.issue({ expirySeconds: 60 })
  expect(await pay(invoice, { amountSat: '9' })).toMatchObject({ recipientAmountSat: 9 })
})

test('wrong requests are refused in plain text', async () => {
  const wrong = await call(wallet, 'GET /getinfo', undefined, 'wrong')
  expect([wrong.status, wrong.text]).toEqual([
    401,
    'Invalid authentication (use basic auth with the http password set in phoenix.conf)',
  ])
  expect(await call(shop, 'POST /createinvoice', { amountSat: '1' })).toMatchObject({
    status: 400,
    text: 'Must provide either a description or descriptionHash',
  })
  const odd = { description: '', amountSat: '1.5' }
  expect((await call(shop, 'POST /createinvoice', odd)).status).toBe(400)
  expect((await call(wallet, 'POST /payinvoice', { invoice: 'lnbcrt1oops' })).status).toBe(400)
  expect((await call(wallet, 'POST /payinvoice', {})).status).toBe(400)
  const nothing = await call(shop, `GET /payments/incoming/${'00'.repeat(32)}`)
  expect([nothing.status, nothing.text]).toEqual([404, 'Unknown endpoint (check api doc)'])
})

test('the node tells who it is and what it has', async () => {
  expect((await call(shop, 'GET /getinfo')).json()).toMatchObject({
    nodeId: network.payee.id,
    chain: 'regtest',
  })
  const { balanceSat } = (await call(shop, 'GET /getbalance')).json()
  expect(BigInt(balanceSat)).toBe(network.payee.balance / 1_000n)
})

test('faults: a lost answer, a status', async () => {
  const { serialized, paymentHash } = await bill()
  using _ = wallet.fault({ call: 'POST /payinvoice', executed: true, fail: 'drop', times: 1 })
  await expect(pay(serialized)).rejects.toThrow('fetch failed')
  const byHash = await call(wallet, `GET /payments/outgoingbyhash/${paymentHash}`)
  expect(byHash.json()).toMatchObject({ isPaid: true })
  using _down = wallet.fault({ fail: { status: 502 }, times: 1 })
  expect((await call(wallet, 'GET /getinfo')).status).toBe(502)
})
