/**
 * Mutants of the method: rails that judge badly, settle badly, or say the wrong thing of what happened.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { Seams } from '../bench.js'
import { token } from '../reference/token.js'
import type { Mutant } from './mutant.js'

type Settle = Method.Server['settle']

export const method: readonly Mutant[] = [
  {
    id: 'method/judges-nothing',
    breaks: 'Proofs are taken unseen: wrong signatures, wrong payers, no money behind them.',
    threats: [21, 22],
    caughtBy: ['proof/tampered', 'proof/of-this-challenge'],
    seams: () => ({
      method: (real) => ({
        ...real,
        async validate(presented) {
          const validated = await real.validate?.(presented)
          return Outcome.isRejected(validated) ? { memo: crypto.randomUUID() } : validated
        },
      }),
    }),
  },
  {
    id: 'method/trusts-a-replayed-success',
    breaks: 'The network says that this token was spent before, and the rail reads it as success.',
    threats: [3],
    rail: () => token(),
    caughtBy: [
      'replay/proof-under-another-challenge',
      'proof/of-any-challenge-once',
      'proof/tampered',
    ],
    seams: () =>
      settling((real) => async (presented) => {
        try {
          return await real(presented)
        } catch (error) {
          if (error instanceof Error && error.message === 'spent') return { reference: 'replayed' }
          throw error
        }
      }),
  },
  {
    id: 'method/no-proof-key',
    breaks: 'The proof has no name of its own, so one token buys under many challenges.',
    threats: [3],
    rail: () => token({ form: 'split' }),
    caughtBy: ['replay/proof-under-another-challenge', 'proof/of-any-challenge-once'],
    seams: () => ({
      method: (real) => ({ ...real, replayKey: () => crypto.randomUUID() }),
    }),
  },
  {
    id: 'method/settles-twice',
    breaks: 'The money is moved twice for one settlement.',
    threats: [2],
    caughtBy: ['proof/honest', 'replay/same-credential'],
    seams: () =>
      settling((real) => async (presented) => {
        await real(presented)
        return real(presented)
      }),
  },
  {
    id: 'method/settles-later',
    breaks: 'Success is told before the money has moved.',
    threats: [11],
    caughtBy: ['receipt/after-settlement', 'proof/honest'],
    seams: () =>
      settling((real) => async (presented) => {
        setTimeout(() => void Promise.resolve(real(presented)).catch(() => {}), 20)
        return { reference: 'soon' }
      }),
  },
  {
    id: 'method/unknown-is-refused',
    breaks: 'A lost answer counts as a refusal, so the payer is asked to pay again.',
    threats: [9],
    caughtBy: ['recovery/unknown-is-503', 'recovery/found-again'],
    seams: () =>
      settling((real) => async (presented) => {
        try {
          return await real(presented)
        } catch {
          return Outcome.rejected('verification-failed')
        }
      }),
  },
  {
    id: 'method/unknown-is-nothing',
    breaks:
      'A lost answer counts as nothing happened, so the same credential moves the money again.',
    threats: [9],
    caughtBy: ['recovery/found-again'],
    seams: () =>
      settling((real) => async (presented) => {
        try {
          return await real(presented)
        } catch {
          return Outcome.unsettled()
        }
      }),
  },
  {
    id: 'method/never-asks-again',
    breaks: 'Reconciliation always answers that nobody knows, so who paid never gets the page.',
    threats: [9, 10],
    caughtBy: ['recovery/found-again', 'recovery/server-died'],
    seams: () => ({ method: (real) => ({ ...real, reconcile: () => Outcome.indeterminate() }) }),
  },
  {
    id: 'method/asks-by-paying',
    breaks: 'Reconciliation does not look the payment up, it makes it again.',
    threats: [9],
    caughtBy: ['recovery/found-again', 'recovery/server-died'],
    seams: () => ({
      method: (real) => ({
        ...real,
        reconcile: async (presented) => {
          const { reference } = await settleAgain(real, presented)
          return Outcome.settled({ reference })
        },
      }),
    }),
  },
  {
    id: 'method/everybody-is-one-payer',
    breaks: 'Whoever knows an Idempotency-Key counts as the payer who used it first.',
    threats: [1, 10],
    rail: () => token(),
    caughtBy: ['idempotency/unproven-payer'],
    seams: () => ({ method: (real) => ({ ...real, payer: () => 'somebody' }) }),
  },
  {
    id: 'method/knows-one-no',
    breaks: 'Every answer of validate but a whole refusal counts as a yes.',
    threats: [21, 22],
    caughtBy: ['verdict/no-in-any-words'],
    seams: () =>
      hooked((real) => ({
        async validate(presented) {
          const validated = await real.validate?.(presented)
          const isEvidence = typeof validated === 'object' && validated && 'memo' in validated
          if (isEvidence || Outcome.isRejected(validated)) return validated
          return { memo: crypto.randomUUID() }
        },
      })),
  },
  {
    id: 'method/any-reference-is-money',
    breaks: 'Whatever has a reference counts as settled: failed, pending, declined.',
    threats: [9, 11],
    caughtBy: ['verdict/no-such-status'],
    seams: () =>
      hooked((real) => ({
        async settle(presented) {
          const outcome = await real.settle(presented)
          return 'reference' in outcome ? { reference: outcome.reference } : outcome
        },
      })),
  },
  {
    id: 'method/names-the-nameless',
    breaks: 'A proof without a name is taken all the same, under one made up for the visit.',
    threats: [3],
    caughtBy: ['verdict/nameless-proof'],
    seams: () =>
      hooked((real) => ({
        async replayKey(presented) {
          const name: unknown = await real.replayKey?.(presented)
          return typeof name === 'string' && name !== '' ? name : crypto.randomUUID()
        },
      })),
  },
  {
    id: 'method/receipt-or-nothing',
    breaks: 'A settlement whose receipt cannot be written is treated as if nobody knew of it.',
    threats: [9, 10],
    caughtBy: ['verdict/odd-receipt'],
    seams: () =>
      hooked((real) => ({
        async settle(presented) {
          const outcome = await real.settle(presented)
          JSON.stringify(outcome)
          const { timestamp } = outcome as { timestamp?: unknown }
          if (typeof timestamp === 'number') throw new TypeError('not a date')
          return outcome
        },
      })),
  },
  {
    id: 'method/asks-oddly',
    breaks: 'The amount is written in exponent form, which readers take for different prices.',
    threats: [23],
    caughtBy: ['challenge/charge-fields'],
    seams: () => ({ options: (given) => ({ ...given, amount: '1e1' }) }),
  },
]

async function settleAgain(
  real: Method.Server,
  presented: Method.Presented,
): Promise<{ reference: string }> {
  const validated = await real.validate?.(presented)
  const outcome = await real.settle({ ...presented, validated })
  return { reference: 'reference' in outcome ? outcome.reference : 'none' }
}

/** Seams that put hooks around the ones that the server is given, those of a case included. */
const hooked = (wrap: (real: Method.Server) => Partial<Method.Server>): Seams => ({
  config: (given) => ({
    ...given,
    methods: given.methods.flat().map((method) => ({ ...method, ...wrap(method) })),
  }),
})

/** Seams that put something around the settlement. */
const settling = (wrap: (real: Settle) => Settle) => ({
  method: (real: Method.Server): Method.Server => ({
    ...real,
    settle: wrap((presented) => real.settle(presented)),
  }),
})
