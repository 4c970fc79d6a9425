/**
 * A payment rail of our own: points that a member has collected and spends by proving to know the member's secret.
 *
 * @module
 */
import { Errors, Method } from '@polyrail/core'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { object, string } from 'zod/mini'

/** What travels: the price, and a proof for this one challenge. The secret itself stays at home. */
const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: object({ amount: string(), currency: string() }),
    credential: { payload: object({ member: string(), seal: string() }) },
  },
})

const sealOf = (secret: string, challengeId: string) =>
  createHmac('sha256', secret).update(challengeId).digest('base64url')

/** Pays with a member's points. */
export function spend({ member, secret }: { member: string; secret: string }) {
  return Method.toClient(points, {
    createCredential: ({ challenge }) => ({
      payload: { member, seal: sealOf(secret, challenge.id) },
      authorization: true,
    }),
  })
}

/** Takes points out of a bank. */
export function accept(bank: Bank) {
  return Method.toServer(points, {
    defaults: { currency: 'points' },
    async verify({ challenge, credential }) {
      const account = bank.get(credential.payload.member)
      const seal = Buffer.from(credential.payload.seal)
      const expected = account && Buffer.from(sealOf(account.secret, challenge.id))
      if (!expected || seal.length !== expected.length || !timingSafeEqual(seal, expected))
        throw new Errors.PaymentError('verification-failed')
      const reference = `points-${challenge.id.slice(0, 8)}`
      if (account.paid.has(challenge.id)) return { reference }
      const left = account.points - Number(challenge.request.amount)
      if (left < 0) throw new Errors.PaymentError('payment-insufficient')
      account.points = left
      account.paid.add(challenge.id)
      return { reference }
    },
  })
}

/** Who has how many points. `paid` makes taking them idempotent: after a crash, the same payment may be asked for again. */
export type Bank = Map<string, { secret: string; points: number; paid: Set<string> }>
