/**
 * Reference rail `token`: the payer buys bearer tokens at the bank beforehand, and the server redeems one.
 *
 * @module
 */
import { Method, Outcome } from '@polyrail/core'
import type { Rail, Tampered } from '../rail.js'
import { createBank, type Bank } from './bank.js'
import { strings } from './schema.js'

export const method = Method.from({
  name: 'token',
  intent: 'charge',
  schema: {
    request: strings(['amount', 'currency'], ['recipient']),
    credential: { payload: strings(['token']) },
  },
})

/**
 * A bearer rail, in either form that a method can have.
 *
 * @param options.form - `one-hook`: `verify` checks and settles, and the bank knows which token is
 * spent. `split`: the bank moves money whenever it is told to, so that only the core's claim of the
 * token stands between a payer and a second page.
 * @example
 * conformance(reference.token({ form: 'split' }))
 */
export function token({ form = 'one-hook' }: { form?: 'one-hook' | 'split' } = {}): Rail<
  typeof method
> & { bank: Bank } {
  const bank = createBank()
  return {
    bank,
    server: form === 'split' ? createSplit(bank) : createOneHook(bank),
    client: Method.toClient(method, {
      createCredential: ({ challenge: { request } }) => ({
        payload: { token: bank.mint('ann', BigInt(request.amount)) },
        authorization: true,
      }),
    }),
    options: { amount: '10', currency: 'credits' },
    dearer: { amount: '25', currency: 'credits' },
    capabilities: {
      pushes: false,
      issues: false,
      bindsChallenge: false,
      namesPayer: false,
      reconciles: true,
    },
    async tamper(_payload, { request }) {
      const amount = BigInt(request.amount)
      const bad: Tampered[] = [
        { title: 'an unknown token', payload: { token: 'nonsense' } },
        { title: 'a token of less worth', payload: { token: bank.mint('ann', amount - 1n) } },
      ]
      if (form === 'split') return bad
      const spent = bank.mint('ann', amount)
      await bank.redeem(spent, { to: 'shop', amount, by: 'elsewhere' })
      return [
        ...bad,
        { title: 'a token that nobody backs', payload: { token: bank.mint('bob', amount) } },
        { title: 'a token that was spent elsewhere', payload: { token: spent } },
      ]
    },
    fault: bank.fail,
    settled: bank.moves,
    patience: 300,
  }
}

/** May be asked again for the same challenge, so the bank is told which challenge it is for. */
function createOneHook(bank: Bank) {
  return Method.toServer(method, {
    async verify({ challenge: { id, request }, credential: { payload } }) {
      const amount = BigInt(request.amount)
      return { reference: await bank.redeem(payload.token, { to: 'shop', amount, by: id }) }
    },
  })
}

function createSplit(bank: Bank) {
  return Method.toServer(method, {
    validate({ challenge: { request }, credential: { payload } }) {
      const found = bank.worth(payload.token)
      return found?.amount === BigInt(request.amount)
        ? found
        : Outcome.rejected('verification-failed', { detail: 'The token is not worth the price.' })
    },
    replayKey: ({ credential: { payload } }) => payload.token,
    async settle({ credential: { payload }, validated: { from, amount } }) {
      const memo = payload.token
      return { reference: await bank.transfer({ from, to: 'shop', amount, memo }) }
    },
    async reconcile({ credential: { payload } }) {
      const reference = await bank.find(payload.token)
      return reference === undefined ? Outcome.unsettled() : Outcome.settled({ reference })
    },
  })
}
