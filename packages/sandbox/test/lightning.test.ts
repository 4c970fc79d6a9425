import { Lightning } from '@polyrail/sandbox/lightning'
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bill, payOne } from './bill.js'

let network: Lightning.Network
let payer: Lightning.Node
let payee: Lightning.Node

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  ;({ payer, payee } = network)
})
afterAll(() => network.stop())

const sha256 = (hex: string) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex')
const total = (...nodes: Lightning.Node[]) => nodes.reduce((sum, { balance }) => sum + balance, 0n)

describe('payments', () => {
  test('move exactly their amount, and prove it by the preimage', async () => {
    const before = [payer.balance, payee.balance] as const
    const order = bill(payee, { amountMsat: 21_001n, description: 'a page' })
    const paid = await payer.payInvoice(order)
    if (paid.status !== 'paid') throw new Error(paid.status)
    expect(sha256(paid.preimage)).toBe(order.paymentHash)
    expect(paid.feeMsat).toBe(0n)
    expect(payer.balance).toBe(before[0] - 21_001n)
    expect(payee.balance).toBe(before[1] + 21_001n)
    expect(payee.received(order.paymentHash)).toMatchObject({ amountMsat: 21_001n })
    expect(await payer.lookupPayment(order)).toEqual(paid)
  })

  test('go both ways, and to an invoice without an amount', async () => {
    const before = payer.balance
    const order = bill(payer, { amountMsat: undefined })
    expect(await payee.payInvoice({ ...order, amountMsat: 7n })).toMatchObject({ status: 'paid' })
    expect(payer.balance).toBe(before + 7n)
  })

  test('a hash is paid once: again, at once or later, tells of the first', async () => {
    const before = payee.income
    const order = bill(payee)
    const answers = await Promise.all([1, 2, 3].map(() => payer.payInvoice(order)))
    answers.push(await payer.payInvoice(order))
    expect(
      new Set(answers.map((answer) => JSON.stringify(answer, (_, part) => String(part)))).size,
    ).toBe(1)
    expect(answers[0]).toMatchObject({ status: 'paid' })
    expect(payee.income.count).toBe(before.count + 1)
    expect(payee.income.sumMsat).toBe(before.sumMsat + 1_000n)
  })

  test('an invoice that one node has paid is refused from another', async () => {
    const other = await network.node()
    const order = bill(payee)
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'paid' })
    const before = other.balance
    expect(await other.payInvoice(order)).toEqual({
      status: 'failed',
      reason: 'rejected by the payee',
    })
    expect(other.balance).toBe(before)
  })

  test('that nobody was asked to make are unknown', async () => {
    expect(await payer.lookupPayment(bill(payee))).toBeUndefined()
  })

  test.each<[string, () => Partial<Lightning.Order>]>([
    ['this is no BOLT11 invoice', () => ({ invoice: 'lnbcrt1oops' })],
    ['the invoice is not for regtest', () => ({ invoice: mainnet })],
    ['the invoice has another payment hash', () => ({ paymentHash: '00'.repeat(32) })],
    ['the invoice has an amount of its own', () => ({ amountMsat: 5n })],
    ['the invoice has no amount', () => bill(payee, { amountMsat: undefined })],
    ['no route', () => bill(payer)],
    ['insufficient balance', () => bill(payee, { amountMsat: 10n ** 12n })],
  ])('fail certainly: %s', async (reason, order) => {
    const before = total(payer, payee)
    const paid = await payer.payInvoice({ ...bill(payee), ...order() })
    expect(paid).toEqual({ status: 'failed', reason })
    expect(total(payer, payee)).toBe(before)
  })

  test('one that failed may be tried anew', async () => {
    const order = bill(payee)
    const hold = payee.hold()
    const first = payer.payInvoice(order)
    await hold.arrived()
    hold.fail()
    expect(await first).toMatchObject({ status: 'failed' })
    expect(await payer.lookupPayment(order)).toMatchObject({ status: 'failed' })
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'paid' })
  })
})

/** The first example of BOLT 11 with an amount. */
const mainnet =
  'lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh'

describe('over two hops', () => {
  test('the fee of the node between is real, and none is paid above the limit', async () => {
    const far = await network.node({ peer: payee })
    const before = [payer.balance, payee.balance, far.balance] as const
    const order = bill(far, { amountMsat: 50_000n })
    expect(await payer.payInvoice({ ...order, maxFeeMsat: 999n })).toEqual({
      status: 'failed',
      reason: 'no route',
    })
    expect(await payer.payInvoice({ ...order, maxFeeMsat: 1_000n })).toMatchObject({
      status: 'paid',
      feeMsat: 1_000n,
    })
    expect(payer.balance).toBe(before[0] - 51_000n)
    expect(far.balance).toBe(before[2] + 50_000n)
    // The node between has its fee as soon as its peer has confirmed that the HTLC is gone.
    await payOne(payer, payee, 1n)
    await payOne(payee, payer, 1n)
    expect(payee.balance).toBe(before[1] + 1_000n)
  })

  test('a node has the capacity and the fees asked for', async () => {
    await using other = await Lightning.start({
      quiet: true,
      capacity: 1_000_000n,
      fees: { baseMsat: 10, proportionalMillionths: 20_000 },
    })
    const far = await other.node({ capacity: 400_000n })
    expect(other.payer.balance).toBe(500_000_000n)
    expect(far.balance).toBe(200_000_000n)
    expect(await other.payer.payInvoice(bill(far, { amountMsat: 100_000n }))).toMatchObject({
      feeMsat: 2_010n,
    })
    const tooMuch = bill(far, { amountMsat: 300_000_000n })
    expect(await other.payer.payInvoice(tooMuch)).toEqual({ status: 'failed', reason: 'no route' })
  })
})

describe.concurrent('time', () => {
  test('invoices bear the time of the clock, however long after the start', async () => {
    const apart: number[] = []
    for (const wait of [0, 1_100, 1_100]) {
      await new Promise((resolve) => setTimeout(resolve, wait))
      const { createdAt } = payee.ledger.issue({ expirySeconds: 60 })
      apart.push(Math.abs(createdAt - Date.now() / 1000))
    }
    expect(Math.max(...apart)).toBeLessThanOrEqual(2)
  })

  test('an invoice past its time is not paid', async () => {
    const order = bill(payee, { expirySeconds: 1 })
    await new Promise((resolve) => setTimeout(resolve, 2_100))
    expect(await payer.payInvoice(order)).toEqual({
      status: 'failed',
      reason: 'the invoice has expired',
    })
  })
})

describe('hold invoices', () => {
  const secret = () => {
    const preimage = randomBytes(32).toString('hex')
    return { preimage, paymentHash: sha256(preimage) }
  }

  test('are held until settled', async () => {
    const { preimage, paymentHash } = secret()
    const paying = payer.payInvoice(bill(payee, { paymentHash }))
    expect(await payee.held(paymentHash)).toMatchObject({ status: 'held', receivedMsat: 1_000n })
    expect(await payer.lookupPayment({ paymentHash })).toEqual({ status: 'pending' })
    expect(payee.received(paymentHash)).toBeUndefined()
    expect(await payee.settle(preimage)).toMatchObject({ status: 'paid' })
    expect(await paying).toMatchObject({ status: 'paid', preimage })
  })

  test('go back when cancelled, and can be paid no more', async () => {
    const { preimage, paymentHash } = secret()
    const order = bill(payee, { paymentHash })
    const paying = payer.payInvoice(order)
    await payee.held(paymentHash)
    payee.cancel(paymentHash)
    expect(await paying).toMatchObject({ status: 'failed' })
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'failed' })
    await expect(payee.settle(preimage)).rejects.toThrow(/cancelled/)
  })
})

describe('a payment that takes long', () => {
  test('is pending when the time is over, and may still be paid', async () => {
    using hold = payee.hold()
    const order = { ...bill(payee), timeoutSeconds: 0.05 }
    expect(await payer.payInvoice(order)).toEqual({ status: 'pending' })
    expect(await payer.payInvoice(order)).toEqual({ status: 'pending' })
    expect(hold.held).toEqual([order.paymentHash])
    hold.release()
    expect(await payer.payInvoice({ ...order, timeoutSeconds: 10 })).toMatchObject({
      status: 'paid',
    })
  })

  test('goes on when its caller no longer waits', async () => {
    using hold = payee.hold()
    const caller = new AbortController()
    const order = bill(payee)
    const paying = payer.payInvoice({ ...order, signal: caller.signal })
    await hold.arrived()
    caller.abort(new Error('enough'))
    await expect(paying).rejects.toThrow('enough')
    await expect(payer.payInvoice({ ...order, signal: caller.signal })).rejects.toThrow('enough')
    hold.release()
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('survives that the connection is lost while it is held', async () => {
    const hold = payee.hold()
    const paying = payer.payInvoice(bill(payee))
    await hold.arrived()
    payee.disconnect()
    hold.release()
    await payee.connect()
    expect(await paying).toMatchObject({ status: 'paid' })
  })

  test('cannot begin while the payee is away', async () => {
    payee.disconnect()
    expect(await payOne(payer, payee)).toEqual({ status: 'failed', reason: 'no route' })
    await payee.connect()
    expect(await payOne(payer, payee)).toMatchObject({ status: 'paid' })
  })
})

describe('many payments', () => {
  test('five hundred, fifty at a time, all arrive', { timeout: 30_000 }, async () => {
    const before = [payer.balance, payee.income.count] as const
    for (let round = 0; round < 10; round++) {
      const paid = await Promise.all(Array.from({ length: 50 }, () => payOne(payer, payee)))
      expect(paid.filter(({ status }) => status !== 'paid')).toEqual([])
    }
    expect(payer.balance).toBe(before[0] - 500_000n)
    expect(payee.income.count).toBe(before[1] + 500)
  })

  test('in both directions and over two hops at once', { timeout: 30_000 }, async () => {
    const far = await network.node()
    const pairs = [
      [payer, payee],
      [payee, payer],
      [payer, far],
      [far, payer],
    ] as const
    const paid = await Promise.all(
      Array.from({ length: 48 }, (_, index) => {
        const [from, to] = pairs[index % 4] ?? [payer, payee]
        return payOne(from, to, 400_000n)
      }),
    )
    expect(paid.filter(({ status }) => status !== 'paid')).toEqual([])
  })

  test('a hundred held at once', { timeout: 30_000 }, async () => {
    const hold = payee.hold()
    const paying = Array.from({ length: 100 }, () => payOne(payer, payee))
    await hold.arrived(100)
    hold.release()
    const paid = await Promise.all(paying)
    expect(paid.filter(({ status }) => status !== 'paid')).toEqual([])
  })
})

describe('faults on the wallet', () => {
  test('a lost connection: nothing was carried out', async () => {
    using fault = payer.fault({ call: 'payInvoice', fail: 'drop' })
    const order = bill(payee)
    await expect(payer.payInvoice(order)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(fault.hits).toBe(1)
    expect(await payer.lookupPayment(order)).toBeUndefined()
    fault.clear()
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('a lost answer: it was carried out', async () => {
    using _ = payer.fault({ call: 'payInvoice', executed: true, fail: 'drop', times: 1 })
    const order = bill(payee)
    await expect(payer.payInvoice(order)).rejects.toThrow(/connection to the node was lost/)
    expect(payee.received(order.paymentHash)).toMatchObject({ amountMsat: 1_000n })
    expect(await payer.payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('an answer of another kind, with or without the payment', async () => {
    using _ = payer.fault({ fail: { status: 'pending' }, executed: true, times: 1 })
    const order = bill(payee)
    expect(await payer.payInvoice(order)).toEqual({ status: 'pending' })
    expect(await payer.lookupPayment(order)).toMatchObject({ status: 'paid' })
  })

  test('an error of the service', async () => {
    using _ = payee.fault({
      call: 'createInvoice',
      fail: { message: 'slow down', code: 'RATE_LIMITED' },
      times: 1,
    })
    const terms = { amountMsat: 1n, expirySeconds: 60 }
    await expect(payee.createInvoice(terms)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    expect(await payee.createInvoice(terms)).toMatch(/^lnbcrt/)
  })

  test('no answer until cleared, or until the caller no longer waits', async () => {
    const fault = payer.fault({ call: 'lookupPayment', fail: 'hang' })
    const caller = new AbortController()
    const query = bill(payee)
    const impatient = payer.lookupPayment({ ...query, signal: caller.signal })
    const patient = payer.lookupPayment(query)
    caller.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    fault.clear()
    await expect(patient).rejects.toThrow(/connection/)
  })

  test('a late answer: the payee has been paid before the payer hears of it', async () => {
    using _ = payer.fault({ delay: 100, times: 1 })
    const order = bill(payee)
    let answered = false
    const paying = payer.payInvoice(order).then((paid) => {
      answered = true
      return paid
    })
    while (!payee.received(order.paymentHash)) await new Promise((next) => setImmediate(next))
    expect(answered).toBe(false)
    expect(await paying).toMatchObject({ status: 'paid' })
  })
})
