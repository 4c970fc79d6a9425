import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, expect, test } from 'vitest'

let network: Lightning.Network
let shop: Lightning.Lnd
let wallet: Lightning.Lnd

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  shop = await Lightning.lnd(network.payee)
  wallet = await Lightning.lnd(network.payer)
})
afterAll(() => network.stop())

type Line = { result: Record<string, string>; error?: unknown }

async function call(lnd: Lightning.Lnd, request: string, body?: object, macaroon = lnd.macaroon) {
  const [method = '', path = ''] = request.split(' ')
  const response = await fetch(`${lnd.url}${path}`, {
    method,
    headers: macaroon === '' ? {} : { 'Grpc-Metadata-macaroon': macaroon },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  return { status: response.status, lines: text.trim().split('\n'), json: () => JSON.parse(text) }
}

async function bill(body: object = { value_msat: '21001', memo: 'a page', expiry: '60' }) {
  const invoice = (await call(shop, 'POST /v1/invoices', body)).json() as Record<string, string>
  const hash = Buffer.from(invoice.r_hash!, 'base64')
  return {
    request: invoice.payment_request!,
    hex: hash.toString('hex'),
    url: hash.toString('base64url'),
  }
}

const order = (payment_request: string, more: object = {}) => ({
  payment_request,
  timeout_seconds: 10,
  fee_limit_msat: '1000',
  no_inflight_updates: true,
  ...more,
})

const send = async (body: object) => {
  const { status, lines } = await call(wallet, 'POST /v2/router/send', body)
  return { status, lines: lines.map((line) => JSON.parse(line) as Line) }
}

test('an invoice is made, paid and looked up', async () => {
  const { request, hex, url } = await bill()
  const before = (await call(shop, `GET /v1/invoice/${hex}`)).json()
  expect(before).toMatchObject({ state: 'OPEN', settled: false, memo: 'a page', expiry: '60' })
  const { status, lines } = await send(order(request))
  expect(status).toBe(200)
  expect(lines).toHaveLength(1)
  expect(lines[0]!.result).toMatchObject({
    payment_hash: hex,
    status: 'SUCCEEDED',
    failure_reason: 'FAILURE_REASON_NONE',
    value_msat: '21001',
    fee_msat: '0',
    payment_preimage: Buffer.from(before.r_preimage, 'base64').toString('hex'),
  })
  expect((await call(shop, `GET /v1/invoice/${hex}`)).json()).toMatchObject({
    state: 'SETTLED',
    amt_paid_msat: '21001',
    r_hash: Buffer.from(hex, 'hex').toString('base64'),
  })
  const track = await call(wallet, `GET /v2/router/track/${url}?no_inflight_updates=true`)
  expect(track.json()).toEqual(lines[0])
})

test('updates say IN_FLIGHT first, and come while the payment is held', async () => {
  const { request } = await bill()
  const hold = network.payee.hold()
  const response = await fetch(`${wallet.url}/v2/router/send`, {
    method: 'POST',
    headers: { 'Grpc-Metadata-macaroon': wallet.macaroon },
    body: JSON.stringify(order(request, { no_inflight_updates: false })),
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const first = JSON.parse((await reader.read()).value!) as Line
  expect(first.result).toMatchObject({ status: 'IN_FLIGHT', payment_preimage: '0'.repeat(64) })
  await hold.arrived()
  expect(await send(order(request))).toEqual({
    status: 409,
    lines: [{ error: { code: 6, message: 'payment is in transition', details: [] } }],
  })
  hold.release()
  expect(JSON.parse((await reader.read()).value!).result).toMatchObject({ status: 'SUCCEEDED' })
})

test('an amount is told for an invoice without one, and only then', async () => {
  const { request } = await bill({ memo: 'any' })
  expect((await send(order(request, { amt_msat: '5000' }))).lines[0]!.result).toMatchObject({
    status: 'SUCCEEDED',
    value_msat: '5000',
  })
  expect(
    (await send(order((await bill()).request, { amt_msat: 5 }))).lines[0]!.error,
  ).toMatchObject({
    message: 'amount must not be specified when paying a non-zero amount invoice',
  })
  expect((await send(order((await bill({})).request))).lines[0]!.error).toMatchObject({
    message: 'amount must be specified when paying a zero amount invoice',
  })
})

test('refusals have the shape and the status of LND', async () => {
  const { request } = await bill()
  await send(order(request))
  expect(await send(order(request))).toEqual({
    status: 409,
    lines: [{ error: { code: 6, message: 'invoice is already paid', details: [] } }],
  })
  expect(await send(order(request, { timeout_seconds: 0 }))).toMatchObject({
    status: 500,
    lines: [{ error: { code: 2, message: 'timeout_seconds must be specified' } }],
  })
  const nowhere = Buffer.alloc(32).toString('base64url')
  const track = await call(wallet, `GET /v2/router/track/${nowhere}`)
  expect(track.status).toBe(404)
  expect(track.json()).toMatchObject({ error: { code: 5, message: "payment isn't initiated" } })
  const lost = await call(shop, `GET /v1/invoice/${'00'.repeat(32)}`)
  expect([lost.status, lost.json()]).toEqual([
    404,
    { code: 5, message: 'unable to locate invoice', details: [] },
  ])
  expect((await call(shop, 'POST /v1/invoices', [])).status).toBe(400)
  expect((await call(shop, 'POST /v1/invoices', { value_msat: 'x' })).status).toBe(400)
  expect((await call(shop, 'GET /v1/nothing')).json()).toMatchObject({ code: 5 })
})

test.each([
  ['a wrong macaroon', 'aa', /signature mismatch/],
  ['none', '', /expected 1 macaroon, got 0/],
])('%s is refused', async (_name, macaroon, message) => {
  const { status, json } = await call(shop, 'GET /v1/getinfo', undefined, macaroon)
  expect(status).toBe(500)
  expect(json()).toEqual({ code: 2, message: expect.stringMatching(message), details: [] })
})

test('the macaroon may be told; the node tells who it is', async () => {
  await using own = await Lightning.lnd(network.payee, { macaroon: 'C0FFEE' })
  const { json } = await call(own, 'GET /v1/getinfo', undefined, 'c0ffee')
  expect(json()).toMatchObject({ identity_pubkey: network.payee.id })
})

test('failures tell why', async () => {
  const dear = await bill({ value_msat: String(10n ** 12n) })
  expect((await send(order(dear.request))).lines.at(-1)!.result).toMatchObject({
    status: 'FAILED',
    failure_reason: 'FAILURE_REASON_INSUFFICIENT_BALANCE',
    payment_preimage: '0'.repeat(64),
  })
  const far = await network.node()
  const { invoice } = far.ledger.issue({ amountMsat: 5_000n, expirySeconds: 60 })
  expect((await send(order(invoice, { fee_limit_msat: '999' }))).lines[0]!.result).toMatchObject({
    failure_reason: 'FAILURE_REASON_NO_ROUTE',
  })
  const hold = network.payee.hold()
  const sending = send(order((await bill()).request))
  await hold.arrived()
  hold.fail()
  expect((await sending).lines[0]!.result).toMatchObject({
    failure_reason: 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS',
  })
})

test('a time limit ends the attempts, not the payment', async () => {
  const hold = network.payee.hold()
  const { request, url } = await bill()
  const sending = send(order(request, { timeout_seconds: 1 }))
  await hold.arrived()
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  const track = call(wallet, `GET /v2/router/track/${url}?no_inflight_updates=true`)
  hold.release()
  expect((await sending).lines[0]!.result).toMatchObject({ status: 'SUCCEEDED' })
  expect((await track).json().result).toMatchObject({ status: 'SUCCEEDED' })
})

test('faults: a lost answer, a status, a cut connection', async () => {
  const { request, hex } = await bill()
  using lost = wallet.fault({
    call: 'POST /v2/router/send',
    executed: true,
    fail: 'drop',
    times: 1,
  })
  await expect(send(order(request))).rejects.toThrow('fetch failed')
  expect(lost.hits).toBe(1)
  expect(network.payee.received(hex)).toMatchObject({ amountMsat: 21_001n })

  const body = { code: 14, message: 'starting up', details: [] }
  using _down = wallet.fault({ fail: { status: 503, body }, times: 1 })
  const refused = await call(wallet, 'GET /v1/getinfo')
  expect([refused.status, refused.json()]).toEqual([503, body])

  using _cut = wallet.fault({ fail: 'drop', times: 1 })
  await expect(call(wallet, 'GET /v1/getinfo')).rejects.toThrow('fetch failed')
  expect((await call(wallet, 'GET /v1/getinfo')).status).toBe(200)
})

test('a call that hangs ends when the facade does', async () => {
  const own = await Lightning.lnd(network.payee)
  const hang = own.fault({ fail: 'hang' })
  const hanging = call(own, 'GET /v1/getinfo').catch(() => 'cut')
  while (hang.hits === 0) await new Promise((next) => setImmediate(next))
  await own.close()
  expect(await hanging).toBe('cut')
})
