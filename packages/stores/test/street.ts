/**
 * Two shops at a time on one store, each a process that may be killed, and the network that moves their money.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Challenge, Credential } from '@polyrail/core'

const script = fileURLToPath(new URL('till-process.mjs', import.meta.url))

export type Place = { kind: string; where: string }
export type Deadlines = { settle: number; lease: number; wait: number }

/** What a visit brought; status 0: the connection broke. */
export type Reply = {
  status: number
  text: string
  challenge: string | undefined
  receipt: boolean
}

export type Shop = {
  child: ChildProcess
  port: number
  agent: Agent
  /** What its payments were doing last, by token. */
  doing: Map<string, string>
}

/** The money: how often each token was taken, and how often its page was made. */
export type Book = { taken: Map<string, number>; made: Map<string, number> }

/** Opens two shops; `spares` more are kept warm to take the place of those that are killed. */
export async function openStreet(
  place: Place,
  { deadlines, spares = 0, slow = 0 }: { deadlines: Deadlines; spares?: number; slow?: number },
) {
  const book: Book = { taken: new Map(), made: new Map() }
  const { settle, lease, wait } = deadlines
  const args = [place.kind, place.where, ...[settle, lease, wait].map(String)]
  const started = new Set<ChildProcess>()

  async function start(): Promise<Shop> {
    const child = fork(script, args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    started.add(child)
    child.once('exit', () => started.delete(child))
    let said = ''
    child.stderr?.on('data', (data: Buffer) => (said += data.toString()))
    const died = once(child, 'close').then(() => {
      throw new Error(`a shop did not open: ${said}`)
    })
    // Later, it is meant to die.
    died.catch(() => undefined)
    const [message] = (await Promise.race([once(child, 'message'), died])) as [{ port: number }]
    const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
    const shop: Shop = { child, port: message.port, agent, doing: new Map() }
    child.on('message', (question: Question) => void answer(shop, question))
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

  const shops: Shop[] = await Promise.all([start(), start()])
  const waiting = Array.from({ length: spares }, start)
  return {
    book,
    shops: shops as readonly Shop[],
    /** Kills a shop as it stands; a spare takes its place. */
    async kill(index: number): Promise<Shop | undefined> {
      const killed = shops[index]
      killed?.child.kill('SIGKILL')
      waiting.push(start())
      const next = await waiting.shift()
      if (next) shops[index] = next
      killed?.agent.destroy()
      return killed
    },
    visit: (shop: Shop, token: string, authorization?: string) => visit(shop, token, authorization),
    async close() {
      await Promise.all(waiting)
      for (const { agent } of shops) agent.destroy()
      const ends = [...started].map((child) => once(child, 'exit'))
      for (const child of started) child.kill('SIGKILL')
      await Promise.all(ends)
    },
  }
}

export type Street = Awaited<ReturnType<typeof openStreet>>

/** Asks for a page without paying, and writes a credential for it. */
export async function prove(street: Street, token: string): Promise<string | undefined> {
  const { challenge } = await street.visit(any(street), token)
  const offer = challenge === undefined ? undefined : Challenge.deserialize(challenge)
  return offer && Credential.serialize({ challenge: offer, payload: { token } })
}

/** One of the two. */
export function any({ shops }: Street): Shop {
  const shop = shops[Math.floor(Math.random() * shops.length)]
  if (!shop) throw new Error('there is no shop')
  return shop
}

type Question = { question: 'settle' | 'find' | 'deliver'; token: string; number: number }

function tell({ taken, made }: Book, question: Question['question'], token: string): string | null {
  if (question === 'find') return taken.has(token) ? `reference of ${token}` : null
  const count = question === 'settle' ? taken : made
  count.set(token, (count.get(token) ?? 0) + 1)
  return question === 'settle' ? `reference of ${token}` : `page of ${token}`
}

function visit(shop: Shop, token: string, authorization?: string): Promise<Reply> {
  // Both answer to one name, as they would behind one balancer.
  const headers = { host: '127.0.0.1', ...(authorization !== undefined && { authorization }) }
  const at = { host: '127.0.0.1', port: shop.port, path: `/${token}`, agent: shop.agent, headers }
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

export const pause = (most: number): Promise<void> | undefined =>
  most === 0 ? undefined : new Promise((next) => setTimeout(next, Math.random() * most))
