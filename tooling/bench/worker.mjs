/**
 * One subject doing one case in a process of its own: checks it, warms it up, then times a batch whenever asked.
 *
 * @module
 */
const [subject, path = '', warmUp, temper] = process.argv.slice(2)
const [group, name = ''] = path.split('/')

/** @param {any} message */
const tell = (message) => process.send?.(message)

const spent = () => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/**
 * Pays for what `make` left behind, finalizers too, before the clock runs. With a full collection V8 also throws compiled
 * code away, so that the batch costs what it costs a server that was idle: about twice as much.
 */
async function settle() {
  for (let turn = 0; turn < 2; turn++) {
    if (temper === 'cold') globalThis.gc?.()
    else globalThis.gc?.({ type: 'minor' })
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Lets timers and finalizers have their turn, as a server between requests does. */
const breathe = () => new Promise((resolve) => setImmediate(resolve))

/**
 * Runs every input once.
 *
 * @param {import('./terms.mjs').Case} one
 * @param {unknown[]} inputs
 * @returns {Promise<number>} µs of CPU for each, of all threads of this process
 */
async function time({ run, sync }, inputs) {
  await settle()
  const before = spent()
  for (let index = 0; index < inputs.length; index++) {
    const result = run(inputs[index])
    if (!sync) await result
    if (index % 64 === 63) await breathe()
  }
  return (spent() - before) / inputs.length
}

/**
 * Makes what is needed for a batch.
 *
 * @param {import('./terms.mjs').Case} one
 * @param {number} operations
 * @returns {Promise<() => Promise<number>>} runs the batch; µs of CPU for each operation
 */
export async function prepare(one, operations) {
  if (!one.runAll) {
    const inputs = await one.make(operations)
    return () => time(one, inputs)
  }
  await one.prepare?.(operations)
  return async () => {
    await settle()
    const before = spent()
    await one.runAll?.(operations)
    return (spent() - before) / operations
  }
}

/**
 * @param {import('./terms.mjs').Case} one
 * @param {number} operations
 */
const timeMany = async (one, operations) => (await prepare(one, operations))()

/** @param {import('./terms.mjs').Case} one */
async function check(one) {
  for (const input of await one.make(10)) await one.check(await one.run(input))
}

/** @param {import('./terms.mjs').Case} one */
async function warm(one) {
  const until = spent() + Number(warmUp) * 1000
  let micros = await timeMany(one, 200)
  while (spent() < until) micros = await timeMany(one, Math.min(20_000, Math.ceil(50_000 / micros)))
  return micros
}

/** @returns {Promise<import('./terms.mjs').Case>} the case, found to be right and warm */
async function begin() {
  const { cases } = await import(`./subjects/${subject}/${group}.mjs`)
  const one = await cases[name]()
  await check(one)
  tell({ micros: await warm(one) })
  return one
}

if (process.send) {
  /** @type {Promise<import('./terms.mjs').Case>} */
  let one
  process.on('message', async (/** @type {'start' | { operations: number }} */ message) => {
    if (message === 'start') one = begin()
    else tell({ micros: await timeMany(await one, message.operations) })
  })
}
