/**
 * Reference rail `token`: the payer buys bearer tokens at the bank beforehand, and the server redeems one in a single hook.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import type { Rail } from '../rail.js'
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
 * The one-hook form: `verify` checks and settles, throws to refuse, and may be asked again, so the
 * bank is given the challenge id as the key of the redemption.
 *
 * @example
 * conformance(reference.token())
 */
export function token(): Rail<typeof method> & { bank: Bank } {
  const bank = createBank()
  const server = Method.toServer(method, {
    async verify({ challenge: { id, request }, credential }) {
      const amount = BigInt(request.amount)
      const { token } = credential.payload
      return { reference: await bank.redeem(token, { to: 'shop', amount, key: id }) }
    },
  })
  const client = Method.toClient(method, {
    createCredential: ({ challenge: { request } }) => ({
      payload: { token: bank.mint('ann', BigInt(request.amount)) },
      authorization: true,
    }),
  })
  return {
    bank,
    server,
    client,
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
      const spent = bank.mint('ann', amount)
      await bank.redeem(spent, { to: 'shop', amount, key: 'elsewhere' })
      return [
        { title: 'an unknown token', payload: { token: 'nonsense' } },
        { title: 'a token of less worth', payload: { token: bank.mint('ann', amount - 1n) } },
        { title: 'a token that nobody backs', payload: { token: bank.mint('bob', amount) } },
        { title: 'a token that was spent elsewhere', payload: { token: spent } },
      ]
    },
    fault: bank.fail,
    settled: bank.moves,
    patience: 300,
  }
}
