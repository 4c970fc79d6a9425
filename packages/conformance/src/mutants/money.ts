/**
 * Mutants of captures and refunds: money that is taken too soon, twice or for nothing, or given back twice.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { Seams } from '../bench.js'
import type { Mutant } from './mutant.js'

export const money: readonly Mutant[] = [
  {
    id: 'money/taken-at-once',
    breaks: 'The rail takes the money when it is told to set it aside, and still says that it is.',
    threats: [11],
    caughtBy: ['capture/after-the-page', 'capture/no-page-no-money'],
    seams: () => ({
      method: (real) => ({
        ...real,
        settle: async (presented) => {
          const outcome = await real.settle(presented)
          if (outcome.status === 'authorized') await take(real, presented)
          return outcome
        },
      }),
    }),
  },
  {
    id: 'money/taken-on-failure',
    breaks: 'A page that failed is paid for all the same.',
    threats: [11],
    caughtBy: ['capture/no-page-no-money'],
    seams: () => ({
      method: (real) => ({ ...real, cancel: (presented) => take(real, presented) }),
    }),
  },
  {
    id: 'money/taken-later',
    breaks:
      'A capture counts as made when it is begun, and the page goes out before the money is taken.',
    threats: [11],
    caughtBy: ['capture/after-the-page'],
    seams: () => ({
      method: (real) => ({
        ...real,
        capture: (presented) => {
          setTimeout(() => void take(real, presented).catch(() => {}), 20)
          return Outcome.settled({ reference: 'soon' })
        },
      }),
    }),
  },
  {
    id: 'money/lost-is-refused',
    breaks:
      'A capture whose answer was lost counts as refused, so that the payer is asked to pay again.',
    threats: [9],
    caughtBy: ['capture/lost-answer'],
    seams: () => ({
      method: (real) => ({
        ...real,
        capture: (presented) =>
          take(real, presented).catch(() => Outcome.rejected('verification-failed')),
      }),
    }),
  },
  {
    id: 'money/page-made-again',
    breaks: 'The page is not kept while its capture is unknown, and is made again.',
    threats: [10],
    caughtBy: ['capture/lost-answer'],
    seams: () => ({
      store: (real) => ({
        ...real,
        update: (key, change, options) =>
          real.update(
            key,
            (current) => {
              const next = change(current) as { state?: string } | undefined
              return next?.state === 'authorized' ? { ...next, answer: undefined } : next
            },
            { ttl: options.ttl },
          ),
      }),
    }),
  },
  {
    id: 'money/back-as-often-as-asked',
    breaks: 'Nobody remembers a refund, so that each call makes another.',
    threats: [19],
    caughtBy: ['refund/once'],
    seams: refundingAnew,
  },
  {
    id: 'money/back-for-another',
    breaks:
      'The rail gives money back by its reference alone, whatever challenge the receipt names.',
    threats: [19],
    caughtBy: ['refund/of-this-payment'],
    seams: () => {
      const challenges = new Map<string, string>()
      return {
        method: (real) => ({
          ...real,
          settle: async (presented) => {
            const outcome = await real.settle(presented)
            if ('reference' in outcome) challenges.set(outcome.reference, presented.challenge.id)
            return outcome
          },
          refund: async (asked) => {
            const { payment } = asked
            const challengeId = challenges.get(payment.reference) ?? payment.challengeId
            const own = { ...asked, payment: { ...payment, challengeId } }
            return (await real.refund?.(own)) ?? Outcome.unsettled()
          },
        }),
      }
    },
  },
  {
    id: 'money/back-and-served',
    breaks: 'Money goes back and the page is still owed.',
    threats: [11, 19],
    caughtBy: ['refund/owed-page'],
    seams: () => ({
      store: (real) => ({
        ...real,
        async update(key, change, options) {
          const next = change(await real.get(key)) as { state?: string } | undefined
          return next?.state === 'refunded' ? undefined : real.update(key, change, options)
        },
      }),
    }),
  },
]

const take = async (
  real: Method.Server,
  presented:
    | Parameters<NonNullable<Method.Server['capture']>>[0]
    | Parameters<Method.Server['settle']>[0],
): Promise<Outcome.Outcome> =>
  (await real.capture?.({ ...presented, attempt: undefined })) ?? Outcome.indeterminate()

/** Each call is a first one, on a rail that does not look. */
function refundingAnew(): Seams {
  const isRefund = (key: string) => key.startsWith('mpp:refund:')
  return {
    store: (real) => ({
      ...real,
      update: (key, change, options) =>
        isRefund(key) ? Promise.resolve(change(undefined)) : real.update(key, change, options),
      set: (key, value, options) =>
        isRefund(key) ? Promise.resolve() : real.set(key, value, options),
    }),
    method: (real) => ({
      ...real,
      refund: async (asked) =>
        (await real.refund?.({ ...asked, id: crypto.randomUUID(), amount: 1n })) ??
        Outcome.unsettled(),
    }),
  }
}
