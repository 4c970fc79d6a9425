/**
 * A rail of one’s own and its conformance run, whole, in under 50 lines.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { type Fault, reference } from '@polyrail/conformance'
import { Method } from '@polyrail/core'
import { z } from 'zod/mini'

const bank = reference.createBank()
const stamps = Method.from({
  name: 'stamps',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string() }),
    credential: { payload: z.object({ stamp: z.string() }) },
  },
})

conformance({
  server: Method.toServer(stamps, {
    async verify({ challenge: { id, request }, credential: { payload } }) {
      const price = { to: 'shop', amount: BigInt(request.amount), by: id }
      return { reference: await bank.redeem(payload.stamp, price) }
    },
  }),
  client: Method.toClient(stamps, {
    createCredential: ({ challenge: { request } }) => ({
      payload: { stamp: bank.mint('ann', BigInt(request.amount)) },
    }),
  }),
  options: { amount: '10', currency: 'stamp' },
  dearer: { amount: '20', currency: 'stamp' },
  capabilities: {
    pushes: false,
    issues: false,
    bindsChallenge: false,
    namesPayer: false,
    reconciles: true,
  },
  tamper: () => [
    { title: 'no stamp at all', payload: { stamp: 'none' } },
    { title: 'a stamp of less worth', payload: { stamp: bank.mint('ann', 1n) } },
  ],
  fault: (kind: Fault) => bank.fail(kind),
  settled: () => bank.moves(),
})
