/**
 * The deployed SDK's client; it has no price cap.
 *
 * @module
 */
import { Credential, Method, z } from 'mppx'
import { Mppx } from 'mppx/client'
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
  {
    createCredential: async ({ challenge }) =>
      Credential.serialize({ challenge, payload: { token: `t${tokens++}` } }),
  },
)

/** @param {number} offers */
function loop(offers) {
  const fetch = cannedFetch(challenges(rails.slice(0, offers)), receipted(), 'authorization')
  const mppx = Mppx.create({ methods: [points], polyfill: false, fetch })
  return paying((url) => mppx.fetch(url), 'payment-receipt')
}

export const cases = {
  loop: () => loop(1),
  'loop-of-5': () => loop(5),
}
