/**
 * What this repository promises of its speed and weight, each line with what was measured.
 *
 * @module
 */

import { median, ratio } from './rounds.mjs'

/** @typedef {{ rows: Record<string, import('./rounds.mjs').Row>, imports: any, installs: any, bundles: any }} Results */

/** @param {Results} results @returns {{ promise: string, measured: string, kept: boolean }[]} */
export function judge({ rows, imports, installs, bundles }) {
  const of = (/** @type {string} */ path, /** @type {string} */ subject) =>
    median(rows[path]?.[subject] ?? [])
  const times = (/** @type {string} */ path) => ratio(rows[path], 'polyrail', 'bare')
  const less = (/** @type {string} */ path) => ({
    all: ratio(rows[path], 'mppx', 'polyrail'),
    own: (of(path, 'mppx') - of(path, 'bare')) / (of(path, 'polyrail') - of(path, 'bare')),
  })
  const more = of('server/402', 'polyrail') - of('server/402', 'bare')
  const entry = imports.server?.polyrail.wall ?? Number.NaN
  const page = bundles.polyrail?.brotli ?? Number.NaN
  const brought = installs.polyrail?.packages ?? Number.NaN
  return [
    {
      promise: 'a 402 costs at most 15 µs more than a bare handler, or 1.9× in all',
      measured: `+${more.toFixed(1)} µs, ${times('server/402').toFixed(2)}×`,
      kept: more <= 15 || times('server/402') <= 1.9,
    },
    atMost('a paid request, at most 2.5× a bare handler', times('server/paid'), 2.5),
    atMost('a 402 with 5 offers, at most 3.5× a bare handler', times('server/402-of-5'), 3.5),
    atLeast('a 402, at least 5× less than the deployed SDK', less('server/402'), 5),
    atLeast('a paid request, at least 7× less', less('server/paid'), 7),
    atLeast('a 402 with 5 offers, at least 20× less', less('server/402-of-5'), 20),
    atLeast("the client's loop, at least 8× less", less('client/loop'), 8),
    atLeast('a Tempo payment, at least 3× less', less('tempo/pull'), 3),
    {
      promise: 'the server entry imports in under 30 ms',
      measured: `${entry.toFixed(1)} ms`,
      kept: entry < 30,
    },
    {
      promise: 'the client entry is under 6 kB, minified and compressed (brotli)',
      measured: `${(page / 1000).toFixed(2)} kB`,
      kept: page < 6000,
    },
    {
      promise: '`npm i @polyrail/core` brings one package',
      measured: String(brought),
      kept: brought === 1,
    },
  ]
}

/** @param {string} promise @param {number} ratio @param {number} limit */
const atMost = (promise, ratio, limit) => ({
  promise,
  measured: `${ratio.toFixed(2)}×`,
  kept: ratio <= limit,
})

/**
 * @param {string} promise
 * @param {{ all: number, own: number }} less how often ours goes into theirs: in all, and without what lies beneath both
 * @param {number} limit
 */
const atLeast = (promise, { all, own }, limit) => ({
  promise,
  measured: `${all.toFixed(1)}×${Number.isNaN(own) ? '' : ` (${own.toFixed(1)}× less added)`}`,
  kept: all >= limit,
})
