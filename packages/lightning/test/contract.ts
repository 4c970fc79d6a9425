/**
 * What every wallet must do, on real Lightning nodes behind the real protocol of its service.
 *
 * @module
 */
import type { Wallet, WalletError } from '@polyrail/lightning'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bill, hashOf, holdBill, thrownBy } from './bills.js'

/** A wallet on a node, and how to spoil its service. */
export type Bench = {
  wallet: Wallet
  /** Makes calls fail, each as its service would. */
  spoil(
    call: 'create' | 'pay' | 'lookup',
    fault: { fail: Failure; executed?: boolean; times?: number },
  ): { hits: number; clear(): void }
  stop(): Promise<void>
}

export type Contract = {
  /** Puts a service before a node, and a wallet on it, which waits that many seconds for what needs no payment. */
  open(node: Lightning.Node, timeout: number): Promise<Bench>
  /** How the service can fail, and what the wallet calls it. */
  codes: Readonly<Partial<Record<Failure, WalletError.Code>>>
  /** Whether the service knows nothing smaller than a satoshi. */
  wholeSats?: boolean
}

/** The connection is cut, nothing is answered, or something that makes no sense. */
export type Failure = 'drop' | 'hang' | 'garbage'

/** What a bench of a service over HTTP is made of, when its calls are these. */
export const benchOf = <call extends string>(
  service: Pick<Lightning.Service<call>, 'fault' | 'close'>,
  calls: Readonly<Record<Parameters<Bench['spoil']>[0], call>>,
): Omit<Bench, 'wallet'> => ({
  spoil: (call, { fail, ...fault }) =>
    service.fault({
      ...fault,
      call: calls[call],
      fail: fail === 'garbage' ? { status: 200, body: '<html>' } : fail,
    }),
  stop: () => service.close(),
})

/** Runs the cases. */
export function keepsContract({ open, codes, wholeSats = false }: Contract) {
  const failures = Object.entries(codes) as [Failure, WalletError.Code][]
  let network: Lightning.Network
  let payer: Lightning.Node
  let payee: Lightning.Node
  let paying: Bench
  let paid: Bench
  /** On the payee, for answers that never come. */
  let hasty: Bench

  beforeAll(async () => {
    network = await Lightning.start({ quiet: true })
    ;({ payer, payee } = network)
    paying = await open(payer, 15)
    paid = await open(payee, 15)
    hasty = await open(payee, 0.2)
  })
  afterAll(async () => {
    await Promise.all([paying, paid, hasty].map((bench) => bench.stop()))
    await network.stop()
  })

  const issued = (invoice: string) => payee.ledger.invoices().find((one) => one.invoice === invoice)
  const ended = ({ paymentHash }: Wallet.Query) =>
    payer.ledger.done(payer.ledger.payment(paymentHash)!)

  describe('invoices', () => {
    test('say the amount, the description and how long they can be paid', async () => {
      const terms = { amountMsat: 42_000n, description: 'two pages, für dich', expirySeconds: 90 }
      expect(issued(await paid.wallet.createInvoice(terms))).toMatchObject(terms)
    })

    test('may leave the amount to the payer', async () => {
      const invoice = await paid.wallet.createInvoice({ expirySeconds: 60 })
      expect(invoice).toMatch(/^lnbcrt1/)
      expect(issued(invoice)?.amountMsat).toBeUndefined()
    })

    test('have a hash each', async () => {
      const terms = { amountMsat: 1_000n, expirySeconds: 60 }
      const made = await Promise.all([1, 2, 3].map(() => paid.wallet.createInvoice(terms)))
      expect(new Set(made.map((invoice) => issued(invoice)?.paymentHash)).size).toBe(3)
    })

    test(`${wholeSats ? 'cannot' : 'may'} be over a fraction of a satoshi`, async () => {
      const made = paid.wallet.createInvoice({ amountMsat: 1_500n, expirySeconds: 60 })
      if (wholeSats) expect(await thrownBy(made)).toMatchObject({ code: 'unsupported' })
      else expect(issued(await made)?.amountMsat).toBe(1_500n)
    })

    test.each(failures)('are not made by a service that answers with a %s', async (fail, code) => {
      const { spoil, wallet } = fail === 'hang' ? hasty : paid
      const fault = spoil('create', { fail })
      const made = wallet.createInvoice({ amountMsat: 1_000n, expirySeconds: 60 })
      expect(await thrownBy(made)).toMatchObject({ code, name: 'WalletError' })
      fault.clear()
    })

    test('are no longer waited for after a signal', async () => {
      const signal = AbortSignal.abort(new Error('no longer wanted'))
      const made = paid.wallet.createInvoice({ expirySeconds: 60, signal })
      expect((await thrownBy(made)).message).toBe('no longer wanted')
    })
  })

  describe('payments', () => {
    test('move the money and prove it', async () => {
      const order = await bill(payee)
      expect(await paying.wallet.lookupPayment(order)).toBeUndefined()
      const payment = await paying.wallet.payInvoice(order)
      if (payment.status !== 'paid') throw new Error(payment.status)
      expect(hashOf(payment.preimage)).toBe(order.paymentHash)
      expect(payment.feeMsat).toBe(0n)
      expect(payee.received(order.paymentHash)?.amountMsat).toBe(21_000n)
      expect(await paying.wallet.lookupPayment(order)).toEqual(payment)
    })

    test('may be for an invoice without an amount', async () => {
      const order = { ...(await bill(payee, { amountMsat: undefined })), amountMsat: 5_000n }
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
      expect(payee.received(order.paymentHash)?.amountMsat).toBe(5_000n)
    })

    test(`${wholeSats ? 'cannot' : 'may'} add a fraction of a satoshi to it`, async () => {
      const order = { ...(await bill(payee, { amountMsat: undefined })), amountMsat: 5_001n }
      const status = wholeSats ? 'failed' : 'paid'
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status })
      expect(payee.received(order.paymentHash)?.amountMsat).toBe(wholeSats ? undefined : 5_001n)
    })

    test('for an invoice over a fraction of a satoshi go through', async () => {
      const order = await bill(payee, { amountMsat: 1_234n })
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
    })

    test('are made once, however often they are asked for', async () => {
      const order = await bill(payee)
      await Promise.all([paying.wallet.payInvoice(order), paying.wallet.payInvoice(order)])
      const again = await paying.wallet.payInvoice(order)
      if (again.status !== 'paid') throw new Error(again.status)
      expect(hashOf(again.preimage)).toBe(order.paymentHash)
      expect(payer.ledger.payments().filter((one) => one.invoice === order.invoice)).toHaveLength(1)
    })

    test('without a way to the payee have failed', async () => {
      await using apart = await Lightning.start({ quiet: true })
      const order = await bill(apart.payee)
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'failed' })
      expect(await paying.wallet.lookupPayment(order)).toMatchObject({ status: 'failed' })
    })

    test('that the payee refuses have failed', async () => {
      const order = await bill(payee)
      payee.cancel(order.paymentHash)
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'failed' })
      expect(await paying.wallet.lookupPayment(order)).toMatchObject({ status: 'failed' })
    })

    test('above the balance have failed', async () => {
      const order = await bill(payee, { amountMsat: 90_000_000_000n })
      const allowed = { ...order, maxFeeMsat: 1_000_000_000n }
      expect(await paying.wallet.payInvoice(allowed)).toMatchObject({ status: 'failed' })
    })

    test('that have failed may be tried again', async () => {
      const order = await bill(payee)
      const hold = payee.hold()
      const first = paying.wallet.payInvoice(order)
      await hold.arrived()
      hold.fail()
      expect(await first).toMatchObject({ status: 'failed' })
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
    })
  })

  describe('payments that are held', () => {
    test('are under way, and paid when they are taken', async () => {
      const { order, preimage } = await holdBill(payee)
      expect(await paying.wallet.payInvoice(order)).toEqual({ status: 'pending' })
      expect(await paying.wallet.lookupPayment(order)).toEqual({ status: 'pending' })
      expect(await paying.wallet.payInvoice(order)).toEqual({ status: 'pending' })
      await payee.settle(preimage)
      await ended(order)
      expect(await paying.wallet.lookupPayment(order)).toMatchObject({ status: 'paid', preimage })
    })

    test('have failed when they are sent back', async () => {
      const { order } = await holdBill(payee)
      expect(await paying.wallet.payInvoice(order)).toEqual({ status: 'pending' })
      payee.cancel(order.paymentHash)
      await ended(order)
      expect(await paying.wallet.lookupPayment(order)).toMatchObject({ status: 'failed' })
    })

    test('are paid to whoever still waits', async () => {
      const { order, preimage } = await holdBill(payee)
      const payment = paying.wallet.payInvoice({ ...order, timeoutSeconds: 60 })
      await payee.held(order.paymentHash)
      await payee.settle(preimage)
      expect(await payment).toMatchObject({ status: 'paid', preimage })
    })

    test('go on when a signal ends the wait', async () => {
      const { order, preimage } = await holdBill(payee)
      const leave = new AbortController()
      const asked = { ...order, timeoutSeconds: 60, signal: leave.signal }
      const payment = paying.wallet.payInvoice(asked)
      await payee.held(order.paymentHash)
      leave.abort(new Error('no longer wanted'))
      expect((await thrownBy(payment)).message).toBe('no longer wanted')
      await payee.settle(preimage)
      await ended(order)
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'paid', preimage })
    })
  })

  describe('answers that are lost', () => {
    test.each(failures.filter(([fail]) => fail !== 'hang'))(
      'by a %s after the payment leave it to be found',
      async (fail, code) => {
        const order = await bill(payee)
        const fault = paying.spoil('pay', { fail, executed: true, times: 1 })
        expect(await thrownBy(paying.wallet.payInvoice(order))).toMatchObject({ code })
        fault.clear()
        await ended(order)
        const found = await paying.wallet.lookupPayment(order)
        expect(found).toMatchObject({ status: 'paid' })
        expect(await paying.wallet.payInvoice(order)).toEqual(found)
        const { payments } = payee.income
        expect(payments.filter((one) => one.paymentHash === order.paymentHash)).toHaveLength(1)
      },
    )

    test('by hanging after the payment are found without being asked again', async () => {
      const order = { ...(await bill(payee)), timeoutSeconds: 0.5 }
      const fault = paying.spoil('pay', { fail: 'hang', executed: true })
      expect(await paying.wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
      fault.clear()
    })

    test.each(failures)(
      'by a %s before the payment do not say that it has failed',
      async (fail, code) => {
        const order = { ...(await bill(payee)), timeoutSeconds: 0.1 }
        const fault = paying.spoil('pay', { fail })
        expect(await thrownBy(paying.wallet.payInvoice(order))).toMatchObject({ code })
        fault.clear()
        expect(await paying.wallet.lookupPayment(order)).toBeUndefined()
      },
    )

    test.each(failures)('by a %s of the record are no word on the payment', async (fail, code) => {
      const order = await bill(payee)
      const { spoil, wallet } = fail === 'hang' ? hasty : paying
      const fault = spoil('lookup', { fail })
      expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code })
      fault.clear()
    })
  })
}
