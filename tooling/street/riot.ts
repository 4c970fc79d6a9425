/**
 * Payers who do not give up, servers killed under them, and what must be true of the money afterwards.
 *
 * @module
 */
import { any, pause, pay, type Book, type Shop, type Street } from './street.ts'

export type Options = {
  /** How many servers are killed, each while it works on some payment. */
  kills: number
  /** Goes on, up to four times as long, until payments of every form were cut off at each of these, or at what starts so. */
  points?: readonly string[]
  /** How many buy at a time. */
  payers: number
  /** Ways to buy, in letters. A token starts with its own, which can so tell its path. */
  forms?: readonly string[]
  /** Those whose credentials are used up by an answer that may be lost. */
  once?: readonly string[]
}

export type Outcome = {
  /** Who got their page: credentials by token. */
  done: Map<string, string>
  /** Whose credential was used up by an answer that was lost; in the forms of `once` alone. */
  spent: Set<string>
  /** How many payments were cut off, by form and by what they were doing. */
  at: Record<string, number>
  /** How many servers were killed. */
  killed: number
  /** What payers met that they must not. */
  problems: readonly string[]
  seconds: string
}

/** Milliseconds: a payer is served within this, whatever dies. */
const PATIENCE = 30_000

/** Lets payers buy page after page while one server after the other is killed; all of them end served. */
export async function riot(street: Street, options: Options): Promise<Outcome> {
  const { payers: many, forms = [''], once = [] } = options
  const done = new Map<string, string>()
  const spent = new Set<string>()
  const started = Date.now()
  let isOver = false
  const payers = Array.from({ length: many }, (_, payer) => {
    const form = forms[payer % forms.length] ?? ''
    const isOnce = once.includes(form)
    return shopOn(street, { name: form + payer, isOnce, done, spent, isOver: () => isOver })
  })
  // A payer ends by itself only when something is wrong.
  const ended = Promise.race(payers).then(() => (isOver = true))
  const cut = await killAll(street, options, () => isOver).finally(() => (isOver = true))
  await ended
  const problems = (await Promise.all(payers)).filter((problem) => problem !== undefined)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return { done, spent, ...cut, problems, seconds }
}

/** Kills the two in turn, and takes note of what they were doing. */
async function killAll(
  street: Street,
  { kills, forms = [''], points = [] }: Options,
  isOver: () => boolean,
): Promise<Pick<Outcome, 'at' | 'killed'>> {
  const at: Outcome['at'] = {}
  const wanted = forms.flatMap((form) => points.map((point) => `${form} ${point}`.trim()))
  const isHit = (point: string) => Object.keys(at).some((doing) => doing.startsWith(point))
  let killed = 0
  while (!isOver() && (killed < kills || (killed < kills * 4 && !wanted.every(isHit)))) {
    await pause(40)
    const { doing } = street.shops[killed % 2] as Shop
    if (doing.size === 0) continue
    for (const [token, what] of doing) {
      // Presented again, after the money.
      const isOwed = what === 'presented' && street.book.taken.has(token)
      const point = `${formOf(token)} ${isOwed ? 'owed' : what}`.trim()
      at[point] = (at[point] ?? 0) + 1
    }
    await street.kill(killed++ % 2)
  }
  return { at, killed }
}

/** The form that a token was bought by, which it starts with. */
export const formOf = (token: string): string => /^[a-z]*/.exec(token)?.[0] ?? ''

/** What went wrong with the money: the tokens that were taken twice, that bought nothing, and that bought without being taken. */
export function audit(
  { taken, made, unpaid }: Book,
  { done, spent }: Pick<Outcome, 'done' | 'spent'>,
): { doubled: string[]; lost: string[]; givenAway: string[] } {
  const served = new Set([...done.keys(), ...spent])
  const given = new Set([...served, ...made.keys()])
  return {
    doubled: [...taken].filter(([, times]) => times !== 1).map(([token]) => token),
    lost: [...taken.keys()].filter((token) => !served.has(token)),
    givenAway: [...given].filter((token) => !taken.has(token) || unpaid.has(token)),
  }
}

type Round = Pick<Outcome, 'done' | 'spent'> & {
  name: string
  isOnce: boolean
  isOver(): boolean
}

/** Buys page after page; each with one credential, shown until its page comes. Resolves with what went wrong. */
async function shopOn(street: Street, round: Round): Promise<string | undefined> {
  for (let bought = 0; !round.isOver(); bought++) {
    const token = `${round.name}-${bought}-${crypto.randomUUID()}`
    const reply = await street.visit(any(street), token)
    const proof = pay(reply, token)
    if (!proof && reply.status !== 0) return `${token}: no offer: ${reply.status} ${reply.text}`
    const problem = proof && (await present(street, { ...round, token, ...proof }))
    if (problem) return problem
  }
  return undefined
}

async function present(
  street: Street,
  { token, authorization, isOnce, done, spent }: Round & { token: string; authorization: string },
): Promise<string | undefined> {
  const giveUp = Date.now() + PATIENCE
  for (;;) {
    const { status, text, receipt } = await street.visit(any(street), token, authorization)
    if (status === 200) {
      if (text !== `page of ${token}` || !receipt) return `${token}: a wrong page: ${text}`
      done.set(token, authorization)
      return undefined
    }
    // Delivered, the server says, which it knows only of a page that was made.
    if (status === 402 && isOnce && street.book.made.has(token) && isUsed(text))
      return void spent.add(token)
    if (![0, 409, 503].includes(status)) return `${token}: ${status} ${text}`
    if (Date.now() > giveUp) return `${token}: still ${status} after ${PATIENCE} ms: ${text}`
    await pause(50)
  }
}

/** The answer to a credential whose page went out and was not kept. */
export const isUsed = (text: string): boolean => text.includes('has already been used')
