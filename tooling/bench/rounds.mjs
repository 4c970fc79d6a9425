/**
 * Measures subjects side by side: a process each, and round after round each of them in turn.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))

/** @typedef {{ rounds: number, batch: number, warmUp: number, cold?: boolean }} Effort how many rounds, ms of CPU for a batch and for warming up; `cold`: compiled code is thrown away before each batch */

/** @type {{ full: Effort, quick: Effort }} */
export const efforts = {
  full: { rounds: 11, batch: 80, warmUp: 1500 },
  quick: { rounds: 5, batch: 50, warmUp: 1000 },
}

/**
 * Measures one case of several subjects.
 *
 * @param {string} name the case
 * @param {readonly string[]} subjects
 * @param {Effort} effort
 * @returns {Promise<Row>} for each subject what an operation cost in each round, in µs of CPU
 */
export async function measure(name, subjects, effort) {
  const { batch, warmUp, rounds, cold = false } = effort
  // Sockets are slow to warm up, and opening them must not count.
  const scale = name.startsWith('http/') ? 3 : 1
  const scaled = { rounds, batch: batch * scale, warmUp: warmUp * scale, cold }
  const running = subjects.map((subject) => start(subject, name, scaled))
  try {
    for (const { ready } of running) await ready()
    for (let round = 0; round < rounds; round++) {
      const turn = round % running.length
      for (const one of [...running.slice(turn), ...running.slice(0, turn)]) await one.round()
    }
  } finally {
    for (const { stop } of running) stop()
  }
  return Object.fromEntries(running.map(({ subject, rounds }) => [subject, rounds]))
}

/**
 * @param {string} subject
 * @param {string} name
 * @param {Effort} effort
 */
function start(subject, name, { batch, warmUp, cold }) {
  const child = fork(worker, [subject, name, String(warmUp), cold ? 'cold' : 'warm'], {
    execArgv: ['--expose-gc'],
  })
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

/** @typedef {Readonly<Record<string, readonly number[]>>} Row for each subject its rounds */

/**
 * How often one subject's cost holds another's: the median over the rounds, in each of which both met the same machine.
 *
 * @param {Row | undefined} row
 * @param {string} one
 * @param {string} other
 * @returns {number} NaN where either was not measured
 */
export function ratio(row, one, other) {
  const others = row?.[other] ?? []
  return median((row?.[one] ?? []).flatMap((cost, round) => cost / (others[round] ?? Number.NaN)))
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
