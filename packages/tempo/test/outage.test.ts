/**
 * Chains that stop in the middle of a settlement, lose its receipt or answer too late, and servers that are killed: nobody
 * pays twice, nobody is served unpaid, and the same credential ends in the page.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Outcome, Store } from '@polyrail/core/server'
import { tempo } from '@polyrail/tempo/server'
import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { createCustomers, createDice, sleep, type Dice, type Till } from './customers.ts'
import { lay, nodes } from './line.ts'
import { createSponsor, openShop } from './open-shop.mjs'
import { start } from './rail.ts'

/** Customers whose first visit is spoiled, in each scenario. */
const RUNS = Number(process.env['OUTAGE_RUNS'] ?? 200)
const SEED = Number(process.env['OUTAGE_SEED'] ?? Date.now() % 2 ** 32)
/** Customers who come at the same time. */
const WAVE = 20
/** Milliseconds. */
const SETTLE = 300

const sync = 'eth_sendRawTransactionSync'
const receipt = 'eth_getTransactionReceipt'

type Method = ReturnType<typeof tempo.charge>
type Chain = Awaited<ReturnType<typeof startChain>>
type World = Chain & {
  till: Till
  customers: Awaited<ReturnType<typeof createCustomers>>
  /** Kills a server, and starts another. */
  kill: (server: number) => Promise<void>
  [Symbol.asyncDispose]: () => Promise<void>
}
/** Spoils the visits of a wave, and puts everything in order again. */
type Trouble = (world: World, dice: Dice, modes: readonly ('pull' | 'push')[]) => Promise<void>

let starting: Promise<unknown> = Promise.resolve()

/** A chain, the line to it, and an account that pays fees. One at a time, to tell their processes apart. */
function startChain() {
  const chain = starting.then(async () => {
    const others = new Set(nodes())
    const local = await start()
    const [node] = nodes().filter((pid) => !others.has(pid))
    const privateKey = generatePrivateKey()
    await local.chain.fund(privateKeyToAddress(privateKey))
    return {
      ...local,
      line: await lay(local.chain.rpcUrl),
      privateKey,
      signal(name: 'SIGSTOP' | 'SIGCONT') {
        if (node === undefined) throw new Error('The process of the chain is not found.')
        process.kill(node, name)
      },
    }
  })
  starting = chain.catch(() => undefined)
  return chain
}

/** Two servers of one shop, in this process. */
async function build({
  change = (method: Method) => method,
  settle = SETTLE,
} = {}): Promise<World> {
  const chain = await startChain()
  const feePayer = createSponsor(chain.privateKey)
  const terms = { ...chain.at, recipient: chain.shop.address, rpcUrl: chain.line.url, feePayer }
  const store = Store.memory()
  const servers = [0, 1].map(() => openShop({ method: change(tempo.charge(terms)), store, settle }))
  let visits = 0
  const till: Till = (path, authorization) => servers[++visits % 2]!(path, authorization)
  return {
    ...chain,
    till,
    customers: await createCustomers(chain, till),
    kill: () => Promise.reject(new Error('These servers are no processes.')),
    async [Symbol.asyncDispose]() {
      await chain.line.cut()
      await chain.chain.stop()
    },
  }
}

/** The same in processes of their own, with their books in a folder. */
async function buildMortal(): Promise<World> {
  const chain = await startChain()
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-shop-'))
  const { privateKey, line, shop } = chain
  const settings = { folder, settle: SETTLE, rpcUrl: line.url, recipient: shop.address, privateKey }
  const open = () => openMortal(JSON.stringify(settings))
  const servers = await Promise.all([open(), open(), open()])
  const spare = servers.pop()!
  const waiting = [Promise.resolve(spare)]
  let visits = 0
  const till: Till = async (path, authorization) => {
    const headers = authorization === undefined ? {} : { authorization }
    try {
      const answer = await fetch(servers[++visits % 2]!.url + path, { headers })
      // As if it came from the shop's own address.
      return new Response(await answer.text(), answer)
    } catch {
      return undefined
    }
  }
  return {
    ...chain,
    till,
    customers: await createCustomers(chain, till),
    async kill(server) {
      servers[server]!.child.kill('SIGKILL')
      waiting.push(open())
      servers[server] = await waiting.shift()!
    },
    async [Symbol.asyncDispose]() {
      for (const { child } of [...servers, ...(await Promise.all(waiting))]) child.kill('SIGKILL')
      await line.cut()
      await chain.chain.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

async function openMortal(settings: string): Promise<{ child: ChildProcess; url: string }> {
  const { pathname } = new URL('./dying-shop.mjs', import.meta.url)
  const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit']
  const child = spawn(process.execPath, [pathname, settings], { stdio })
  for await (const url of createInterface({ input: child.stdout })) return { child, url }
  throw new Error('The shop did not open.')
}

/** Sends waves of customers into trouble, until enough of them had some. */
async function endure(world: World, trouble: Trouble, { runs = RUNS, late = 0.08 } = {}) {
  const dice = createDice(SEED)
  const { customers } = world
  const inside: Promise<void>[] = []
  const hit = () => customers.purchases.filter(({ isHit }) => isHit).length
  for (let waves = 0; hit() < runs && waves < runs; waves++) {
    // Who comes late is waited for at the end, and comes early.
    const wave = Array.from({ length: WAVE }, () =>
      customers.enter(dice.fork(), { late: waves < 3 ? late : 0, live: 0.2 }),
    )
    await Promise.all(wave.filter(({ isLive }) => !isLive).map(customers.pay))
    const visits = wave.map(async (purchase) => {
      await sleep(purchase.dice.upTo(100))
      return customers.insist(purchase)
    })
    inside.push(...visits)
    const modes = wave.map(({ mode }) => mode)
    await trouble(world, dice, modes)
    await Promise.all(visits.filter((_, index) => !wave[index]!.isLate))
  }
  await Promise.all(inside)
  return { seed: SEED, spoiled: Math.min(hit(), runs), complaints: await customers.audit() }
}

const peace = (runs = RUNS) => ({ seed: SEED, spoiled: runs, complaints: [] })

/** No more blocks, or a process that stands still. */
const stopChain: Trouble = async ({ chain, signal }, dice) => {
  await sleep(dice.upTo(150))
  const isFrozen = process.platform !== 'win32' && dice.chance(0.5)
  await (isFrozen ? signal('SIGSTOP') : chain.pause())
  await sleep(200 + dice.upTo(500))
  await (isFrozen ? signal('SIGCONT') : chain.resume())
}

const BREAKS = ['drop', 'drop', { status: 503 }, { code: -32603, message: 'oops' }] as const

/** Connections that break before or after the call is carried out, and a node that cannot be reached. */
const loseReceipt: Trouble = async ({ chain, line }, dice, modes) => {
  const faults = modes.map((mode) => {
    const strike = mode === 'push' ? { method: receipt, times: 3 } : { method: sync, times: 1 }
    return chain.fault({ ...strike, fail: dice.pick(BREAKS), executed: dice.chance(0.5) })
  })
  await sleep(dice.upTo(200))
  if (dice.chance(0.6)) {
    await line.cut()
    await sleep(100 + dice.upTo(300))
    await line.mend()
  }
  await sleep(200)
  for (const fault of faults) fault.clear()
}

/** Answers that come when nobody waits for them any more, or never. */
const answerLate: Trouble = async ({ chain }, dice, modes) => {
  const faults = modes.map((mode) => {
    const fail = dice.pick([undefined, undefined, 'drop', 'hang'] as const)
    return chain.fault({
      method: mode === 'push' ? receipt : sync,
      times: 1,
      delay: SETTLE + 50 + dice.upTo(400),
      executed: fail === undefined || dice.chance(0.5),
      ...(fail && { fail }),
    })
  })
  await sleep(1000)
  for (const fault of faults) fault.clear()
}

/** Servers that die wherever they are. */
const killServers: Trouble = async ({ kill }, dice) => {
  await sleep(dice.upTo(300))
  const both = dice.chance(0.4)
  const first = dice.pick([0, 1])
  await Promise.all([kill(first), both && kill(1 - first)])
}

/** Milliseconds: many times what it takes, for machines that are busy. */
const LIMIT = 120_000

describe.concurrent('nobody pays twice, nobody is served unpaid, and all get the page', () => {
  test(
    `when the chain stops in the middle of settlement, ${RUNS} times`,
    { timeout: LIMIT },
    async ({ expect }) => {
      await using world = await build()
      expect(await endure(world, stopChain)).toEqual(peace())
    },
  )

  test(`when the receipt is lost, ${RUNS} times`, { timeout: LIMIT }, async ({ expect }) => {
    await using world = await build()
    expect(await endure(world, loseReceipt)).toEqual(peace())
  })

  test(
    `when the answer comes after the deadline, ${RUNS} times`,
    { timeout: LIMIT },
    async ({ expect }) => {
      await using world = await build()
      expect(await endure(world, answerLate)).toEqual(peace())
    },
  )

  const deaths = Math.ceil(RUNS / 4)
  test(`when servers are killed, ${deaths} times`, { timeout: LIMIT }, async ({ expect }) => {
    await using world = await buildMortal()
    expect(await endure(world, killServers, { runs: deaths })).toEqual(peace(deaths))
  })

  test(
    'when no block comes after the transaction is void',
    { timeout: LIMIT },
    async ({ expect }) => {
      await using world = await build({ settle: 3000 })
      const { chain, customers } = world
      const purchase = customers.enter(createDice(SEED), { late: 1 })
      Object.assign(purchase, { path: '/page?brief', mode: 'pull' })
      await customers.pay(purchase)
      const fault = chain.fault({ method: sync, fail: 'drop' })
      const visits = customers.insist(purchase)
      const { validBefore = 0 } = purchase.paid[0]!
      await sleep((validBefore + 1.5) * 1000 - Date.now())
      fault.clear()
      await chain.advance(0)
      await visits
      const refusals = purchase.paid.map(({ refused }) => refused)
      expect(fault.hits).toBeGreaterThan(0)
      expect(refusals).toEqual(['payment-expired', undefined])
      expect(await customers.audit()).toEqual([])
    },
  )
})

const rejected = () => Outcome.rejected('verification-failed')
const isUnknown = (outcome: unknown) => (outcome as Outcome.Outcome).status === 'indeterminate'

/** What would go wrong, by a rail that takes the unknown for something else. */
const broken: [string, Trouble, (method: Method) => Method, string[]][] = [
  [
    'takes an earlier attempt for a failed one',
    loseReceipt,
    (method) => ({ ...method, reconcile: rejected }),
    ['a customer who paid twice', 'a fresh challenge for what is paid'],
  ],
  [
    'takes a lost answer for a refusal',
    loseReceipt,
    (method) => ({
      ...method,
      async settle(presented) {
        const outcome = await method.settle(presented)
        return isUnknown(outcome) ? rejected() : outcome
      },
    }),
    ['a customer who paid twice', 'a fresh challenge for what is paid'],
  ],
  [
    'takes a late answer for a refusal',
    answerLate,
    (method) => ({
      ...method,
      settle: async (presented) =>
        Promise.race([method.settle(presented), sleep(SETTLE - 50).then(rejected)]),
    }),
    ['a customer who paid twice', 'a fresh challenge for what is paid'],
  ],
  [
    'takes a lost answer for a payment',
    loseReceipt,
    (method) => ({
      ...method,
      async settle(presented) {
        const outcome = await method.settle(presented)
        return isUnknown(outcome) ? Outcome.settled({ reference: presented.challenge.id }) : outcome
      },
    }),
    ['a page before its payment', 'a page without a payment'],
  ],
  [
    'forgets what it signed as fee payer',
    loseReceipt,
    (method) => ({
      ...method,
      settle: (presented) => method.settle(forgetful(presented)),
      reconcile: (presented) => method.reconcile?.(forgetful(presented)) ?? rejected(),
    }),
    ['a customer who paid twice'],
  ],
]

/** Hands a rail a store that keeps nothing. */
function forgetful<presented extends { store: Store.Store }>(presented: presented): presented {
  return Object.create(presented, { store: { value: Store.memory() } }) as presented
}

describe('these tests catch a rail', () => {
  test.each(broken)('that %s', { timeout: LIMIT }, async (_, trouble, change, complaints) => {
    await using world = await build({ change })
    let found: string[] = []
    // Chance may spare some customers, and not for long.
    for (let runs = 20; runs <= 120 && !complaints.every((one) => found.includes(one)); runs += 20)
      found = (await endure(world, trouble, { runs, late: 0 })).complaints
    expect(found).toEqual(expect.arrayContaining(complaints))
  })
})
