/**
 * Customers who insist on their page, and the books by which they, the shop and the chain are compared.
 *
 * @module
 */
import { Challenge, Credential, Errors } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import type { ChargeRequest } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { createClient, http, parseEventLogs, slice } from 'viem'
import { Abis, Transaction } from 'viem/tempo'
import { origin } from './open-shop.mjs'
import type { start } from './rail.ts'

/** Numbers that look random, others for each seed. */
export function createDice(seed: number): Dice {
  let state = seed
  const roll = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
  return {
    chance: (share) => roll() < share,
    upTo: (most) => roll() * most,
    pick: (options) => options[Math.floor(roll() * options.length)]!,
    fork: () => createDice(Math.floor(roll() * 2 ** 32)),
  }
}

export type Dice = {
  chance(share: number): boolean
  upTo(most: number): number
  pick<option>(options: readonly option[]): option
  /** Dice of one's own, so that nobody's luck depends on who is faster. */
  fork(): Dice
}

/** The shop's door: a visit to one of its servers, which may die meanwhile. */
export type Till = (path: string, authorization?: string) => Promise<Response | undefined>

type Paid = {
  authorization: string
  memo: string
  /** Epoch seconds after which no block takes the transaction. */
  validBefore: number | undefined
  pages: Set<string>
  /** All that the shop answered. */
  story: string[]
  /** Set when the shop answered it with a fresh challenge. */
  refused: string | undefined
}

/** What one customer goes through for one page. */
export type Purchase = {
  path: string
  mode: 'pull' | 'push'
  /** Comes back only when the transaction can no longer be in a block. */
  isLate: boolean
  /** Makes its first credential, and may broadcast it, while the chain is in trouble. */
  isLive: boolean
  dice: Dice
  paid: Paid[]
  /** The memos of what a client gave up, saying that nothing was paid. */
  abandoned: string[]
  /** Whether the first presentation brought no page. */
  isHit: boolean
  end: 'page' | 'never' | undefined
}

const PRICE = 10_000n
/** Milliseconds after which a customer has waited for ever. */
const EVER = 60_000
/** Seconds for which a transaction must be valid, or the chain does not take it. */
const SOONEST = 3
/** Seconds after `validBefore` at which nobody has a doubt left. */
const SETTLED = 6

type Local = Awaited<ReturnType<typeof start>>

/** Opens the doors of a shop to customers. */
export async function createCustomers({ chain, payer, shop, at }: Local, till: Till) {
  const before = await chain.balance(shop.address)
  const purchases: Purchase[] = []
  const complaints: string[] = []
  let handedOut = 0
  const wallets = {
    pull: createWallet('pull'),
    push: createWallet('push'),
  }

  function createWallet(mode: 'pull' | 'push') {
    const methods = [paying.charge({ account: payer, ...at, client: connect(at.rpcUrl), mode })]
    return Wallet.create({ methods, policy: { max: '1' } })
  }

  /** A customer who wants a page. */
  function enter(dice: Dice, options: { late?: number; live?: number } = {}): Purchase {
    const isLate = dice.chance(options.late ?? 0)
    const [page, mode] = dice.pick([
      ['/page', 'pull'],
      ['/pull', 'pull'],
      ['/sponsored', 'pull'],
      ['/page', 'push'],
    ] as const)
    const purchase: Purchase = {
      path: isLate && mode === 'pull' ? `${page}?brief` : page,
      mode,
      isLate,
      isLive: mode === 'push' && dice.chance(options.live ?? 0),
      dice,
      paid: [],
      abandoned: [],
      isHit: false,
      end: undefined,
    }
    purchases.push(purchase)
    return purchase
  }

  /** Gets a credential, whatever it takes. */
  async function pay(purchase: Purchase): Promise<void> {
    const end = Date.now() + EVER
    for (let turn = 0; Date.now() < end; await pause(purchase.dice, turn++)) {
      const response = await till(purchase.path)
      const [challenge] = response ? Challenge.parse(response.headers) : []
      if (!response || !challenge) continue
      const request = challenge.request as ChargeRequest
      try {
        const url = origin + purchase.path.replace('?brief', '')
        const authorization = await wallets[purchase.mode].createCredential(response, { url })
        purchase.paid.push(read(authorization, request))
        return
      } catch (cause) {
        if (Errors.isPaymentError(cause) && cause.code === 'payment-indeterminate')
          complaints.push('a client does not know whether it has paid')
        const { memo } = request.methodDetails ?? {}
        if (memo !== undefined) purchase.abandoned.push(memo)
      }
    }
  }

  /** Presents a credential once, or twice at once. */
  async function present(purchase: Purchase, paid: Paid): Promise<void> {
    const copies = purchase.dice.chance(0.15) ? 2 : 1
    const visits = Array.from({ length: copies }, () => till(purchase.path, paid.authorization))
    for (const answer of await Promise.all(visits)) if (answer) await note(answer, paid)
  }

  async function note(answer: Response, paid: Paid): Promise<void> {
    if (answer.status === 200) {
      const { page } = (await answer.json()) as { page: string }
      paid.story.push('page')
      if (paid.pages.size === 0) {
        const due = PRICE * BigInt(++handedOut)
        if ((await chain.balance(shop.address)) - before < due)
          complaints.push('a page before its payment')
      }
      paid.pages.add(page)
      return
    }
    const { code, detail } = (await answer.json()) as { code: string; detail?: string }
    const isChallenged = answer.headers.has('www-authenticate')
    paid.story.push(`${answer.status} ${code}`)
    if (isChallenged) paid.refused = code
    if (isChallenged !== (answer.status === 402) || ![402, 409, 503].includes(answer.status))
      complaints.push(`an answer of ${answer.status} ${code}`)
    else if (answer.status === 402 && !/expired/.test(detail ?? ''))
      complaints.push(`a refusal of an honest credential: ${code} ${detail}`)
    else if (answer.status === 402 && Date.now() / 1000 < (paid.validBefore ?? Infinity) - SOONEST)
      complaints.push('a refusal of what may still be paid')
  }

  /** Insists on the page, and pays anew where the shop asks for it, as a client would. */
  async function insist(purchase: Purchase): Promise<void> {
    const end = Date.now() + EVER
    for (let visits = 0; Date.now() < end; visits++) {
      if (!purchase.paid.length || purchase.paid.at(-1)?.refused) await pay(purchase)
      const paid = purchase.paid.at(-1)
      if (!paid) break
      await present(purchase, paid)
      if (visits === 0) purchase.isHit = paid.pages.size === 0
      if (paid.pages.size > 0) {
        // Who asks again gets it again.
        await present(purchase, paid)
        purchase.end = 'page'
        return
      }
      if (visits === 0 && purchase.isLate) await sleepUntil((paid.validBefore ?? 0) + SETTLED)
      else await pause(purchase.dice, visits)
    }
    purchase.end = 'never'
  }

  /** Compares what everybody says with what the chain says. */
  async function audit(): Promise<string[]> {
    const client = chain.client()
    const address = chain.tokens.pathUSD
    const logs = await client.getLogs({ address, fromBlock: 0n, toBlock: 'latest' })
    const transfers = parseEventLogs({ abi: Abis.tip20, eventName: 'TransferWithMemo', logs })
    const payments = new Map<string, number>()
    for (const { args } of transfers)
      if (args.to === shop.address && args.amount === PRICE)
        payments.set(args.memo, (payments.get(args.memo) ?? 0) + 1)
    const of = (memo: string) => payments.get(memo) ?? 0
    const found = purchases.flatMap((purchase) => [...judge(purchase, of)])
    const known = purchases.flatMap(({ paid, abandoned }) => [
      ...paid.map(({ memo }) => memo),
      ...abandoned,
    ])
    const moved = ((await chain.balance(shop.address)) - before) / PRICE
    if (moved !== BigInt(known.reduce((sum, memo) => sum + of(memo), 0)))
      found.push('a payment that nobody made')
    return [...new Set([...complaints, ...found])].toSorted()
  }

  return { enter, pay, insist, audit, purchases }
}

function* judge(purchase: Purchase, of: (memo: string) => number): Generator<string> {
  const { paid, abandoned, end } = purchase
  const sum = paid.reduce((total, { memo }) => total + of(memo), 0)
  if (end !== 'page')
    yield `a customer without a page: ${paid.map(({ story }) => story.join()).join('; ')}`
  if (sum > 1) yield 'a customer who paid twice'
  for (const { memo, pages, refused } of paid) {
    if (of(memo) > 1) yield 'a credential that paid twice'
    if (pages.size > of(memo)) yield 'a page without a payment'
    if (refused && of(memo) > 0) yield 'a fresh challenge for what is paid'
  }
  if (abandoned.some((memo) => of(memo) > 0)) yield 'a payment given up by its client'
}

/** A block of the local chain shows a lower base fee where many come at once; the real chain's is fixed. */
function connect(url: string) {
  const transport = (options: Parameters<ReturnType<typeof http>>[0]) => {
    const node = http(url)(options)
    const request = async (...asked: Parameters<typeof node.request>): Promise<unknown> => {
      const answer = await node.request(...asked)
      const isBlock = asked[0].method === 'eth_getBlockByNumber'
      return isBlock ? Object.assign(answer as object, { baseFeePerGas: '0x4a817c800' }) : answer
    }
    return { ...node, request: request as typeof node.request }
  }
  return createClient({ transport })
}

/** What is on the chain when this credential is paid. */
function read(authorization: string, { methodDetails }: ChargeRequest): Paid {
  const { payload } = Credential.deserialize(authorization) ?? {}
  const { signature } = payload as { signature?: `0x76${string}` }
  const fields = signature && Transaction.deserialize(signature)
  const data = fields?.calls?.[0]?.data ?? '0x'
  return {
    authorization,
    memo: methodDetails?.memo ?? slice(data, -32),
    validBefore: fields?.validBefore,
    pages: new Set(),
    story: [],
    refused: undefined,
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

/** Longer each time, so that a slow machine catches up. */
const pause = (dice: Dice, turn: number) =>
  sleep((80 + dice.upTo(170)) * Math.min(10, 1.25 ** turn))
const sleepUntil = (seconds: number) => sleep(Math.max(0, seconds * 1000 - Date.now()))
