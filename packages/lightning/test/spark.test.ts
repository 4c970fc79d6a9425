import { WalletError } from '@polyrail/lightning'
import { spark } from '@polyrail/lightning/spark'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bill, hashOf, holdBill, named, thrownBy } from './bills.js'
import { openOperators, SparkValidationError } from './operators.js'

const mnemonic = 'legal winner thank year wave sausage worth useful legal winner thank yellow'

let network: Lightning.Network
let payer: Lightning.Node
let payee: Lightning.Node

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  ;({ payer, payee } = network)
})
afterAll(() => network.stop())

/** A wallet, and the Spark behind it. */
function start(node = payer) {
  const operators = openOperators(node)
  const options = { mnemonic, network: 'regtest', pollInterval: 5, sdk: operators.sdk } as const
  return { operators, wallet: spark(options), again: () => spark(options) }
}

describe('invoices', { timeout: 30_000 }, () => {
  test('say the amount, the description and how long they can be paid', async () => {
    const { wallet } = start(payee)
    const terms = { amountMsat: 42_000n, description: 'two pages', expirySeconds: 90 }
    const invoice = await wallet.createInvoice(terms)
    expect(payee.ledger.invoices().find((one) => one.invoice === invoice)).toMatchObject(terms)
  })

  test('may leave the amount to the payer', async () => {
    const { wallet } = start(payee)
    const invoice = await wallet.createInvoice({ expirySeconds: 60 })
    expect(invoice).toMatch(/^lnbcrt1/)
  })

  test('cannot be over a fraction of a satoshi', async () => {
    const { wallet } = start(payee)
    const made = wallet.createInvoice({ amountMsat: 1_500n, expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unsupported', name: 'WalletError' })
  })

  test('that cannot be read are not passed on', async () => {
    const { wallet, operators } = start(payee)
    operators.wallet.createLightningInvoice = async () => ({ invoice: { encodedInvoice: 'lnbc' } })
    const made = wallet.createInvoice({ amountMsat: 1_000n, expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unreadable' })
  })
})

describe('payments', { timeout: 30_000 }, () => {
  test('move the money and prove it', async () => {
    const { wallet, operators } = start()
    const order = await bill(payee)
    const paid = await wallet.payInvoice(order)
    if (paid.status !== 'paid') throw new Error(paid.status)
    expect(hashOf(paid.preimage)).toBe(order.paymentHash)
    expect(paid.feeMsat).toBe(3_000n)
    expect(payee.received(order.paymentHash)?.amountMsat).toBe(21_000n)
    expect(operators.pays).toEqual([
      {
        invoice: order.invoice,
        maxFeeSats: 10,
        preferSpark: false,
        idempotencyKey: order.paymentHash,
      },
    ])
  })

  test('may be for an invoice without an amount', async () => {
    const { wallet } = start()
    const order = { ...(await bill(payee, { amountMsat: undefined })), amountMsat: 5_000n }
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
    expect(payee.received(order.paymentHash)?.amountMsat).toBe(5_000n)
  })

  test('are not for a fraction of a satoshi', async () => {
    const { wallet, operators } = start()
    const order = { ...(await bill(payee, { amountMsat: undefined })), amountMsat: 5_001n }
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'failed' })
    expect(operators.pays).toEqual([])
  })

  test('that would cost more than allowed fail before anything is sent', async () => {
    const { wallet } = start()
    const order = { ...(await bill(payee)), maxFeeMsat: 2_999n }
    const failed = await wallet.payInvoice(order)
    expect(failed).toEqual({ status: 'failed', reason: 'Spark: the fee is above the limit.' })
    expect(payer.ledger.payment(order.paymentHash)).toBeUndefined()
  })

  test('that the payee refuses have failed', async () => {
    const { wallet } = start()
    const order = await bill(payee)
    payee.cancel(order.paymentHash)
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'failed' })
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'failed' })
  })

  test('that are held are under way, until they are taken', async () => {
    const { wallet } = start()
    const { order, preimage } = await holdBill(payee)
    expect(await wallet.payInvoice(order)).toEqual({ status: 'pending' })
    expect(await wallet.lookupPayment(order)).toEqual({ status: 'pending' })
    expect(await wallet.payInvoice(order)).toEqual({ status: 'pending' })
    await payee.settle(preimage)
    await payer.ledger.done(payer.ledger.payment(order.paymentHash)!)
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'paid', preimage })
  })

  test('that are held and sent back have failed', async () => {
    const { wallet } = start()
    const { order } = await holdBill(payee)
    expect(await wallet.payInvoice(order)).toEqual({ status: 'pending' })
    payee.cancel(order.paymentHash)
    await payer.ledger.done(payer.ledger.payment(order.paymentHash)!)
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'failed' })
  })

  test('are made once, however often they are asked for', async () => {
    const { wallet, operators } = start()
    const order = await bill(payee)
    const [first, second] = await Promise.all([wallet.payInvoice(order), wallet.payInvoice(order)])
    expect([first.status, second.status]).toEqual(['paid', 'pending'])
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
    expect(operators.pays).toHaveLength(1)
  })

  test('whose answer is lost are found after a restart', async () => {
    const { wallet, operators, again } = start()
    const order = await bill(payee)
    const { payLightningInvoice } = operators.wallet
    operators.wallet.payLightningInvoice = async (params) => {
      await payLightningInvoice(params)
      throw new Error(`connection lost, ${mnemonic}`)
    }
    const lost = await thrownBy(wallet.payInvoice(order))
    expect(lost).toMatchObject({ code: 'unreachable' })
    expect(JSON.stringify([lost, lost.message, lost.cause])).not.toContain('winner')
    await payer.ledger.done(payer.ledger.payment(order.paymentHash)!)
    const other = again()
    expect(await other.lookupPayment(order)).toMatchObject({ status: 'paid' })
    expect(await other.payInvoice(order)).toMatchObject({ status: 'paid' })
    expect(operators.pays).toHaveLength(1)
  })

  test('that nobody knows how to follow are under way', async () => {
    const { wallet, operators } = start()
    operators.wallet.payLightningInvoice = async () => ({ id: 'a transfer within Spark' })
    expect(await wallet.payInvoice(await bill(payee))).toEqual({ status: 'pending' })
  })

  test('end their wait at a signal, and go on', async () => {
    const { wallet } = start()
    const { order, preimage } = await holdBill(payee)
    const leave = new AbortController()
    const paying = wallet.payInvoice({ ...order, timeoutSeconds: 60, signal: leave.signal })
    await payee.held(order.paymentHash)
    leave.abort(new Error('no longer wanted'))
    expect((await thrownBy(paying)).message).toBe('no longer wanted')
    await payee.settle(preimage)
    await payer.ledger.done(payer.ledger.payment(order.paymentHash)!)
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'paid' })
  })

  test('on which nothing is said in time are not said to have failed', async () => {
    const { wallet, operators } = start()
    operators.wallet.payLightningInvoice = () => new Promise(() => {})
    const order = { ...(await bill(payee)), timeoutSeconds: 0.01 }
    expect(await thrownBy(wallet.payInvoice(order))).toMatchObject({ code: 'unanswered' })
  })

  test('fail when the balance is too low', async () => {
    const { wallet, operators } = start()
    operators.wallet.payLightningInvoice = async () => {
      throw new SparkValidationError('targetAmounts', mnemonic)
    }
    const failed = await wallet.payInvoice(await bill(payee))
    expect(failed).toEqual({ status: 'failed', reason: 'Spark: the balance is too low.' })
  })

  test('are not known to have failed by any other error', async () => {
    const { wallet, operators } = start()
    operators.wallet.payLightningInvoice = async () => {
      throw new SparkValidationError('leaves', mnemonic)
    }
    const thrown = await thrownBy(wallet.payInvoice(await bill(payee)))
    expect(thrown).toMatchObject({ code: 'unreachable' })
    expect(thrown.message).not.toContain('winner')
  })
})

describe('states', { timeout: 30_000 }, () => {
  const outcomes = {
    LIGHTNING_PAYMENT_FAILED: 'failed',
    USER_TRANSFER_VALIDATION_FAILED: 'failed',
    USER_SWAP_RETURNED: 'failed',
    USER_SWAP_RETURN_FAILED: 'failed',
    // The invoice may have been paid: what failed is to take the money for it.
    TRANSFER_FAILED: 'pending',
    PREIMAGE_PROVIDING_FAILED: 'pending',
    PENDING_USER_SWAP_RETURN: 'pending',
    LIGHTNING_PAYMENT_SUCCEEDED: 'pending',
    TRANSFER_COMPLETED: 'pending',
    FUTURE_VALUE: 'pending',
  }

  test.each(Object.entries(outcomes))('%s without a preimage is %s', async (status, outcome) => {
    const { wallet, operators } = start()
    const { invoice, paymentHash } = await bill(payee)
    const fee = { originalValue: 1, originalUnit: 'SATOSHI' }
    operators.wallet.queryHTLC = async () => ({ preimageRequests: [{ status: 0 }] })
    operators.wallet.getUserRequests = async () => ({
      entities: [{ id: '1', encodedInvoice: invoice.toUpperCase(), fee, status }],
      pageInfo: {},
    })
    expect(await wallet.lookupPayment({ invoice, paymentHash })).toMatchObject({ status: outcome })
  })

  test('a preimage of another payment is no proof', async () => {
    const { wallet, operators } = start()
    const order = await bill(payee)
    const { getLightningSendRequest } = operators.wallet
    const wrong = '42'.repeat(32)
    operators.wallet.getLightningSendRequest = async (id) => {
      const request = await getLightningSendRequest(id)
      return request && { ...request, status: 'TRANSFER_COMPLETED', paymentPreimage: wrong }
    }
    const thrown = await thrownBy(wallet.payInvoice(order))
    expect(thrown).toMatchObject({ code: 'unreadable' })
    expect(thrown.message).not.toContain(wrong)
  })

  test('a payment that was never asked for is not known', async () => {
    const { wallet } = start()
    expect(await wallet.lookupPayment(await bill(payee))).toBeUndefined()
  })

  test('a payment is found on a later page of the list', async () => {
    const { wallet, operators } = start()
    const order = await bill(payee)
    await wallet.payInvoice(order)
    const [request] = operators.requests
    const others = Array.from({ length: 250 }, (_, at) => ({
      ...request!,
      id: `other ${at}`,
      encodedInvoice: `other ${at}`,
    }))
    operators.requests.unshift(...others)
    operators.wallet.queryHTLC = async () => ({ preimageRequests: [] })
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'paid', feeMsat: 3_000n })
  })

  test('a list without an end is not searched for ever, nor taken for an answer', async () => {
    const { wallet, operators } = start()
    operators.wallet.getUserRequests = async () => ({
      entities: [],
      pageInfo: { hasNextPage: true, endCursor: 'on' },
    })
    const looked = wallet.lookupPayment(await bill(payee))
    expect(await thrownBy(looked)).toMatchObject({ code: 'unsupported' })
  })
})

describe('the wallet', { timeout: 30_000 }, () => {
  test('is opened once, with the seed and the network', async () => {
    const { wallet, operators } = start(payee)
    const terms = { amountMsat: 1_000n, expirySeconds: 60 }
    expect(operators.opened).toEqual([])
    const made = await Promise.all([wallet.createInvoice(terms), wallet.createInvoice(terms)])
    expect(made.map((invoice) => named(payee, invoice).paymentHash)).toHaveLength(2)
    expect(operators.opened).toEqual([
      { mnemonicOrSeed: mnemonic, options: { network: 'REGTEST' } },
    ])
  })

  test('that did not open is opened again, and keeps its seed to itself', async () => {
    const { wallet, operators } = start(payee)
    const { initialize } = operators.sdk.SparkWallet
    operators.sdk.SparkWallet.initialize = async () => {
      throw new Error(`bad seed: ${mnemonic}`)
    }
    const terms = { amountMsat: 1_000n, expirySeconds: 60 }
    const thrown = await thrownBy(wallet.createInvoice(terms))
    expect(thrown).toBeInstanceOf(WalletError)
    expect(thrown.message).not.toContain('winner')
    operators.sdk.SparkWallet.initialize = initialize
    expect(await wallet.createInvoice(terms)).toMatch(/^lnbcrt/)
  })

  test('closes, and opens again', async () => {
    const { wallet, operators } = start(payee)
    await wallet.close()
    expect(operators.closed).toBe(0)
    await wallet.createInvoice({ expirySeconds: 60 })
    await wallet.close()
    expect(operators.closed).toBe(1)
    await wallet.createInvoice({ expirySeconds: 60 })
    expect(operators.opened).toHaveLength(2)
  })

  test('says what to install', async () => {
    const wallet = spark({ mnemonic })
    const made = wallet.createInvoice({ amountMsat: 1_000n, expirySeconds: 60 })
    const thrown = await thrownBy(made)
    expect(thrown).toMatchObject({ code: 'missing' })
    expect(thrown.message).toContain('@buildonspark/spark-sdk')
  })

  test.each([
    ['no seed', {}],
    ['two seeds', { mnemonic, mnemonicOrSeed: mnemonic }],
    ['an unknown network', { mnemonic, network: 'moon' as 'mainnet' }],
  ])('is not made with %s', (_, options) => {
    expect(() => spark(options)).toThrow(TypeError)
  })
})
