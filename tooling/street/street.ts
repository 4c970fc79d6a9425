/**
 * Two shops at a time on one store, each a process that may be killed, and the network that moves their money.
 *
 * @module
 */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { Challenge, Credential } from '@polyrail/core'

/** A shop's process, which serves on this port of 127.0.0.1. */
export type Process = { child: ChildProcess; port: number }
/** Starts one; resolves once it serves. */
export type Start = () => Promise<Process>

export type Deadlines = { settle: number; lease: number; wait: number }

/** What a visit brought; status 0: the connection broke. */
export type Reply = {
  status: number
  text: string
  challenge: string | undefined
  receipt: boolean
}

export type Shop = Process & {
  agent: Agent
  /** What its payments were doing last, by token. */
  doing: Map<string, string>
  isKilled: boolean
}

export type Book = {
  /** How often each token was taken. */
  taken: Map<string, number>
  /** How often its page was made. */
  made: Map<string, number>
  /** Those whose page was made before they were taken. */
  unpaid: Set<string>
}

export type Options = {
  start: Start
  /** Shops that are kept warm to take the place of those that are killed (0). */
  spares?: number
  /** Milliseconds that the network takes, at most, before it acts and again before it says so (0). */
  slow?: number
  /** Where the page of a token is (`/<token>`). */
  pathOf?: (token: string) => string
}

/** How a script is run that sends `{ port }` once it serves. */
export const forked =
  (script: string, args: readonly string[], options: ForkOptions = {}): Start =>
  async () => {
    const child = fork(script, args, { ...options, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    const message = await orDie(child, once(child, 'message') as Promise<[{ port: number }]>)
    return { child, port: message[0].port }
  }

/** Waits for something of a process that has just started; fails with its last words if it ends before. */
export async function orDie<value>(child: ChildProcess, wanted: Promise<value>): Promise<value> {
  let said = ''
  child.stderr?.on('data', (data: Buffer) => (said += data.toString()))
  const died = once(child, 'close').then(() => {
    throw new Error(`a shop did not open: ${said}`)
  })
  // Later, it is meant to die.
  died.catch(() => undefined)
  return Promise.race([wanted, died])
}

/** Opens two shops. */
export async function openStreet({ start, spares = 0, slow = 0, pathOf = rootOf }: Options) {
  const book: Book = { taken: new Map(), made: new Map(), unpaid: new Set() }
  const open = new Set<Shop>()

  async function openShop(): Promise<Shop> {
    const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
    const shop: Shop = { ...(await start()), agent, doing: new Map(), isKilled: false }
    const { child } = shop
    open.add(shop)
    child.once('exit', () => open.delete(shop))
    child.on('message', (question: Question) => {
      // What a killed process had said to nobody yet never reached the network.
      if (question.question && !shop.isKilled) void answer(shop, question)
    })
    // The answer to a process that was just killed.
    child.on('error', () => undefined)
    return shop
  }

  async function answer(shop: Shop, { question, token, number }: Question): Promise<void> {
    shop.doing.set(token, question)
    await pause(slow)
    const reply = tell(book, question, token)
    shop.doing.set(token, `${question}: done`)
    await pause(slow)
    if (shop.child.connected) shop.child.send({ number, answer: reply }, () => undefined)
  }

  const shops: Shop[] = await Promise.all([openShop(), openShop()])
  const waiting = Array.from({ length: spares }, openShop)
  return {
    book,
    shops: shops as readonly Shop[],
    /** Kills a shop as it stands; a spare takes its place. */
    async kill(index: number): Promise<void> {
      const killed = shops[index]
      if (!killed) throw new Error(`there is no shop ${index}`)
      killed.isKilled = true
      killed.child.kill('SIGKILL')
      const opening = openShop()
      // Whoever takes it from the queue hears of it.
      opening.catch(() => undefined)
      waiting.push(opening)
      shops[index] = (await waiting.shift()) as Shop
      killed.agent.destroy()
    },
    visit: (shop: Shop, token: string, authorization?: string) =>
      visit(shop, { path: pathOf(token), token, authorization }),
    async close() {
      await Promise.allSettled(waiting)
      const ends = [...open].map(({ child }) => once(child, 'exit'))
      for (const shop of open) {
        shop.isKilled = true
        shop.agent.destroy()
        shop.child.kill('SIGKILL')
      }
      await Promise.all(ends)
    },
  }
}

export type Street = Awaited<ReturnType<typeof openStreet>>

const rootOf = (token: string) => `/${token}`

/** One of the two. */
export function any({ shops }: Street): Shop {
  const shop = shops[Math.floor(Math.random() * shops.length)]
  if (!shop) throw new Error('there is no shop')
  return shop
}

/** Writes the credential that pays the challenge of a reply. */
export function pay({ challenge }: Reply, token: string) {
  const offer = challenge === undefined ? undefined : Challenge.deserialize(challenge)
  if (!offer) return undefined
  const authorization = Credential.serialize({ challenge: offer, payload: { token } })
  return { authorization, challengeId: offer.id }
}

type Question = { question: 'settle' | 'find' | 'deliver'; token: string; number: number }

function tell(book: Book, question: Question['question'], token: string): string | null {
  const { taken, made, unpaid } = book
  if (question === 'find') return taken.has(token) ? `reference of ${token}` : null
  if (question === 'deliver' && !taken.has(token)) unpaid.add(token)
  const count = question === 'settle' ? taken : made
  count.set(token, (count.get(token) ?? 0) + 1)
  return question === 'settle' ? `reference of ${token}` : `page of ${token}`
}

type Visit = { path: string; token: string; authorization: string | undefined }

function visit(shop: Shop, { path, token, authorization }: Visit): Promise<Reply> {
  // All answer to one name, as they would behind one balancer.
  const headers = { host: '127.0.0.1', ...(authorization !== undefined && { authorization }) }
  const at = { host: '127.0.0.1', port: shop.port, path, agent: shop.agent, headers }
  if (authorization !== undefined) shop.doing.set(token, 'presented')
  return new Promise((resolve) => {
    const broken = () => resolve({ status: 0, text: '', challenge: undefined, receipt: false })
    const asking = request(at, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('error', broken)
      response.on('end', () => {
        shop.doing.delete(token)
        const { statusCode: status = 0, headers } = response
        const receipt = headers['payment-receipt'] !== undefined
        resolve({ status, text, challenge: headers['www-authenticate'], receipt })
      })
    })
    asking.on('error', broken)
    asking.end()
  })
}

/** Waits a random while. */
export const pause = (most: number): Promise<void> | undefined =>
  most === 0 ? undefined : new Promise((next) => setTimeout(next, Math.random() * most))
