/**
 * This repository's client, with a price cap.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import * as z from 'zod/mini'
import { cannedFetch, challenges, paying, rails, receipted } from '../../terms.mjs'

let tokens = 0

const points = Method.toClient(
  Method.from({
    name: 'points',
    intent: 'charge',
    schema: {
      request: z.object({ amount: z.string(), currency: z.string() }),
      credential: { payload: z.object({ token: z.string() }) },
    },
  }),
  { createCredential: () => ({ payload: { token: `t${tokens++}` } }) },
)

/** @param {number} offers */
function loop(offers) {
  const fetch = cannedFetch(challenges(rails.slice(0, offers)), receipted(), 'authorization')
  const mpp = Mpp.create({ methods: [points], policy: { max: '10' }, fetch })
  return paying((url) => mpp.fetch(url), 'payment-receipt')
}

export const cases = {
  loop: () => loop(1),
  'loop-of-5': () => loop(5),
}
