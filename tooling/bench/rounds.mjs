/**
 * Measures subjects side by side: a process each, and round after round each of them in turn.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))

/** @typedef {{ rounds: number, batch: number, warmUp: number }} Effort how many rounds, ms of CPU for a batch and for warming up */

/** @type {{ full: Effort, quick: Effort }} */
export const efforts = {
  full: { rounds: 15, batch: 150, warmUp: 1500 },
  quick: { rounds: 5, batch: 60, warmUp: 500 },
}

/**
 * Measures one case of several subjects.
 *
 * @param {string} name the case
 * @param {readonly string[]} subjects
 * @param {Effort} effort
 * @returns {Promise<Record<string, number>>} for each subject the median of its rounds, in µs of CPU for one operation
 */
export async function measure(name, subjects, effort) {
  const running = subjects.map((subject) => start(subject, name, effort))
  try {
    for (const { ready } of running) await ready()
    for (let round = 0; round < effort.rounds; round++) {
      const turn = round % running.length
      for (const one of [...running.slice(turn), ...running.slice(0, turn)]) await one.round()
    }
  } finally {
    for (const { stop } of running) stop()
  }
  return Object.fromEntries(running.map(({ subject, rounds }) => [subject, median(rounds)]))
}

/**
 * @param {string} subject
 * @param {string} name
 * @param {Effort} effort
 */
function start(subject, name, { batch, warmUp }) {
  const child = fork(worker, [subject, name, String(warmUp)], { execArgv: ['--expose-gc'] })
  let operations = 0
  /** @type {number[]} */
  const rounds = []
  /** @returns {Promise<any>} */
  const answer = () =>
    new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`${subject} cannot do ${name}; its error is above.`))
      if (child.exitCode !== null) return fail()
      child.once('exit', fail)
      child.once('message', (message) => {
        child.off('exit', fail)
        resolve(message)
      })
    })
  return {
    subject,
    rounds,
    async ready() {
      child.send('start')
      const { micros } = await answer()
      operations = Math.min(50_000, Math.max(50, Math.round((batch * 1000) / micros)))
    },
    async round() {
      child.send({ operations })
      rounds.push((await answer()).micros)
    },
    stop: () => child.kill(),
  }
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
