import { AcceptPayment } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const offer = (text: string): { method: string; intent: string } => {
  const [method = '', intent = ''] = text.split('/')
  return { method, intent }
}
const rank = (offers: string, header: string | null | undefined): string =>
  AcceptPayment.rank(offers.split(' ').map(offer), header)
    .map(({ method, intent }) => `${method}/${intent}`)
    .join(' ')

describe('parse', () => {
  test('reads ranges, wildcards and weights', () => {
    expect(AcceptPayment.parse('tempo/*, solana/*;q=0.6 ,\t*/session ; q=0.3')).toEqual([
      { method: 'tempo', intent: '*', q: 1 },
      { method: 'solana', intent: '*', q: 0.6 },
      { method: '*', intent: 'session', q: 0.3 },
    ])
  })

  test.each([
    ['q=1', 1],
    ['q=1.', 1],
    ['q=1.000', 1],
    ['Q=0.5', 0.5],
    ['q=0', 0],
    ['q=0.', 0],
    ['q=0.001', 0.001],
  ])('reads the weight %s', (weight, q) => {
    expect(AcceptPayment.parse(`tempo/charge;${weight}`)).toEqual([
      { method: 'tempo', intent: 'charge', q },
    ])
  })

  test('passes over empty list elements', () => {
    expect(AcceptPayment.parse(', tempo/charge,, ,')).toHaveLength(1)
    expect(AcceptPayment.parse('')).toEqual([])
  })

  test.each([
    'tempo',
    'tempo/',
    '/charge',
    'tempo/charge/x',
    'Tempo/charge',
    'tempo2/charge',
    'tempo/char ge',
    'tempo /charge',
    'tempo/charge;q=1.001',
    'tempo/charge;q=2',
    'tempo/charge;q=-1',
    'tempo/charge;q=.5',
    'tempo/charge;q=0.1234',
    'tempo/charge;q=0,5',
    'tempo/charge;q=1e0',
    'tempo/charge;q = 1',
    'tempo/charge;q=',
    'tempo/charge;',
    'tempo/charge;q=1;q=1',
    'tempo/charge;v=1',
    'tempo/charge stripe/charge',
    'te*/charge',
    '**/charge',
    'tempo/charge, ?',
  ])('takes %j for malformed', (header) => {
    expect(AcceptPayment.parse(header)).toBeUndefined()
  })
})

describe('serialize', () => {
  test('writes methods by their names and ranges by their weights', () => {
    expect(
      AcceptPayment.serialize([
        { name: 'tempo', intent: 'charge' },
        { method: 'stripe', intent: 'charge', q: 0.5 },
        { method: '*', intent: '*', q: 0 },
      ]),
    ).toBe('tempo/charge, stripe/charge;q=0.5, */*;q=0')
  })

  test.each([-0.1, 1.1, Number.NaN])('refuses the weight %s', (q) => {
    expect(() => AcceptPayment.serialize([{ method: 'tempo', intent: 'charge', q }])).toThrow(
      TypeError,
    )
  })

  test('is read back as it was', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/)
    const range = fc.record({
      method: fc.oneof(word, fc.constant('*')),
      intent: fc.oneof(word, fc.constant('*')),
      q: fc.integer({ min: 0, max: 1000 }).map((q) => q / 1000),
    })
    fc.assert(
      fc.property(fc.array(range), (ranges) => {
        expect(AcceptPayment.parse(AcceptPayment.serialize(ranges))).toEqual(ranges)
      }),
    )
  })
})

describe('rank', () => {
  const all = 'tempo/session tempo/charge solana/charge stripe/charge'

  test.each([
    // The examples of the core draft, Challenge Negotiation with Accept-Payment.
    [
      'tempo/charge tempo/session stripe/charge solana/charge',
      'tempo/charge, tempo/session, stripe/charge;q=0.5, solana/charge;q=0.3',
      'tempo/charge tempo/session stripe/charge solana/charge',
    ],
    ['solana/charge tempo/charge', 'tempo/charge, solana/charge', 'solana/charge tempo/charge'],
    [all, 'tempo/*, solana/*;q=0.6, stripe/charge;q=0.2', all],
    [
      'tempo/charge tempo/session solana/charge stripe/charge',
      'tempo/charge, tempo/session;q=0, solana/charge;q=0.8, stripe/charge;q=0.4',
      'tempo/charge solana/charge stripe/charge',
    ],
  ])('orders %s by %s', (offers, header, expected) => {
    expect(rank(offers, header)).toBe(expected)
  })

  test('puts the highest weight first and keeps the server order among equals', () => {
    expect(rank('a/x b/x c/x d/x', '*/x;q=0.5, c/x, d/x;q=0.5')).toBe('c/x a/x b/x d/x')
  })

  test('lets the most specific range decide, whatever the order of the ranges', () => {
    expect(rank(all, 'tempo/charge;q=0, tempo/*, */*;q=0.5')).toBe(
      'tempo/session solana/charge stripe/charge',
    )
    expect(rank(all, '*/*;q=0.5, tempo/*;q=0.1, tempo/charge')).toBe(
      'tempo/charge solana/charge stripe/charge tempo/session',
    )
    expect(rank('tempo/charge stripe/charge', '*/charge;q=0.9, tempo/*;q=0.2')).toBe(
      'stripe/charge tempo/charge',
    )
  })

  test.each([
    ['no header', null],
    ['an absent header', undefined],
    ['an empty header', ''],
    ['a malformed header', 'tempo/charge;q=9'],
    ['a header that matches nothing', 'card/charge'],
    ['a header that refuses everything', '*/*;q=0'],
  ])('gives every offer in the server order for %s', (_, header) => {
    expect(rank(all, header)).toBe(all)
  })

  test('compares intents by case', () => {
    expect(rank('tempo/charge stripe/charge', 'tempo/Charge, stripe/charge')).toBe('stripe/charge')
  })

  test('takes parsed ranges, and gives back the very offers', () => {
    const offers = [{ method: 'tempo', intent: 'charge', price: 1 }]
    const ranked = AcceptPayment.rank(offers, [{ method: 'tempo', intent: '*', q: 1 }])
    expect(ranked[0]).toBe(offers[0])
  })

  test('never loses all offers and never invents one, for any header', () => {
    const offers = all.split(' ').map(offer)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (header) => {
        const ranked = AcceptPayment.rank(offers, header)
        expect(ranked.length).toBeGreaterThan(0)
        expect(offers).toEqual(expect.arrayContaining([...ranked]))
      }),
    )
  })
})
