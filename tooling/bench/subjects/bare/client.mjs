/**
 * A client that knows beforehand what to send: the two calls that every paying client makes.
 *
 * @module
 */
import { cannedFetch, challenges, paying, rails, receipted } from '../../terms.mjs'

const token = `Payment ${'A'.repeat(560)}`

/** @param {number} offers */
function twice(offers) {
  const fetch = cannedFetch(challenges(rails.slice(0, offers)), receipted(), 'authorization')
  return paying(async (url) => {
    await fetch(url)
    return fetch(url, { headers: { authorization: token } })
  }, 'payment-receipt')
}

export const cases = {
  loop: () => twice(1),
  'loop-of-5': () => twice(5),
}
