import { Errors } from '@polyrail/core'
import { describe, expect, test } from 'vitest'

describe('CODES', () => {
  // Core draft, Error Codes.
  test.each([
    ['payment-required', 402],
    ['payment-insufficient', 402],
    ['payment-expired', 402],
    ['verification-failed', 402],
    ['method-unsupported', 400],
    ['malformed-credential', 402],
    ['invalid-challenge', 402],
  ] as const)('gives %s the status %i', (code, status) => {
    expect(Errors.CODES[code].status).toBe(status)
  })

  test('has a title and a sentence for every code', () => {
    for (const [code, { status, title, detail }] of Object.entries(Errors.CODES)) {
      expect(code).toMatch(/^[a-z]+(?:-[a-z]+)*$/)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(title).not.toBe('')
      expect(detail).toMatch(/\.$/)
    }
  })
})

describe('problem', () => {
  test('is the Problem Details of the draft', () => {
    expect(Errors.problem('payment-required', { challengeId: 'x' })).toEqual({
      type: 'https://paymentauth.org/problems/payment-required',
      title: 'Payment Required',
      status: 402,
      detail: 'This resource requires payment.',
      code: 'payment-required',
      challengeId: 'x',
    })
  })

  test('takes a detail and public details, which cannot change what the code fixes', () => {
    const details = { detail: 'Too little.', required: '10', status: 200, type: 'x', code: 'y' }
    expect(Errors.problem('payment-insufficient', details)).toMatchObject({
      detail: 'Too little.',
      required: '10',
      status: 402,
      type: 'https://paymentauth.org/problems/payment-insufficient',
      code: 'payment-insufficient',
    })
    expect(Errors.problem('rate-limited', { detail: undefined }).detail).toMatch(/\.$/)
  })

  test('takes the problem type of a payment method', () => {
    const type = 'https://paymentauth.org/problems/lightning/invoice-expired'
    const custom = {
      type,
      title: 'Invoice Expired',
      status: 402,
      detail: 'The invoice is too old.',
    }
    expect(Errors.problem(custom)).toEqual({ ...custom, code: 'invoice-expired' })
    expect(Errors.problem({ ...custom, code: 'own', invoice: 'a' })).toEqual({
      ...custom,
      code: 'own',
      invoice: 'a',
    })
  })
})

describe('PaymentError', () => {
  test('carries the problem as data', () => {
    const cause = new Error('upstream')
    const error = new Errors.PaymentError(
      'rate-limited',
      { detail: 'Slow.' },
      { retryAfter: 5, cause },
    )
    expect(error).toMatchObject({
      name: 'PaymentError',
      code: 'rate-limited',
      message: 'Slow.',
      retryAfter: 5,
      cause,
    })
    expect(error.problem).toEqual(Errors.problem('rate-limited', { detail: 'Slow.' }))
    expect(JSON.stringify(error.problem)).not.toContain('upstream')
    expect('cause' in new Errors.PaymentError('rate-limited')).toBe(false)
  })

  test('is known by its data, whichever copy of the package made it', () => {
    expect(Errors.isPaymentError(new Errors.PaymentError('rate-limited'))).toBe(true)
    const problem = Errors.problem('rate-limited')
    expect(Errors.isPaymentError({ name: 'PaymentError', problem })).toBe(true)
    for (const other of [
      new Error('x'),
      { problem },
      { name: 'PaymentError' },
      { name: 'PaymentError', problem: null },
      null,
      undefined,
      'x',
    ])
      expect(Errors.isPaymentError(other)).toBe(false)
  })
})
