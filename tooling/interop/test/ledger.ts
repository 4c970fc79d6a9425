/**
 * A local chain, the people on it, and what moved between them.
 *
 * @module
 */
import { Tempo } from '@polyrail/sandbox/tempo'
import { parseEventLogs, type Address, type Hex } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Abis, Account } from 'viem/tempo'

/** Where the chain collects fees. */
const FEES = '0xfeec000000000000000000000000000000000000'

/** What each begins with, in base units of pathUSD. The payee's accounts are open, so that no fee is for that. */
const opening = {
  payer: 1_000_000n,
  sponsor: 1_000_000n,
  shop: 1n,
  partner: 1n,
  affiliate: 1n,
}

export type Name = keyof typeof opening
export type People = Record<Name, Tempo.LocalAccount>
export type Ledger = Awaited<ReturnType<typeof start>>

/** Starts a chain. */
export async function start() {
  const chain = await Tempo.start({ quiet: true })
  return {
    chain,
    /** New people come, who hold pathUSD and nothing else. */
    enter: (known?: Partial<People>) => enter(chain, known),
    stop: () => chain.stop(),
  }
}

async function enter(chain: Tempo.Chain, known: Partial<People> = {}) {
  const tokens = [chain.tokens.pathUSD]
  const names = Object.keys(opening) as Name[]
  const people = {} as People
  for (const name of names) {
    people[name] = known[name] ?? Account.fromSecp256k1(generatePrivateKey())
    await chain.fund(people[name].address, { amount: opening[name], tokens })
  }

  /** What everyone has gained or lost, and by what. */
  async function read() {
    const nameOf = (address: Address) =>
      names.find((name) => people[name].address.toLowerCase() === address.toLowerCase())
    const address = chain.tokens.pathUSD
    const logs = await chain.client().getLogs({ address, fromBlock: 0n, toBlock: 'latest' })
    const eventName = ['Transfer', 'TransferWithMemo'] as const
    const events = parseEventLogs({ abi: Abis.tip20, eventName, logs }).filter(({ args }) =>
      nameOf(args.from),
    )
    const moved = events.filter((event) => event.eventName === 'Transfer')
    const noted = events.filter((event) => event.eventName === 'TransferWithMemo')
    const isFee = ({ args }: (typeof moved)[number]) => args.to.toLowerCase() === FEES
    return {
      gains: Object.fromEntries(
        await Promise.all(
          names.map(async (name) => [
            name,
            (await chain.balance(people[name].address)) - opening[name],
          ]),
        ),
      ) as Record<Name, bigint>,
      /** One entry a transfer, fees aside. */
      transfers: moved
        .filter((event) => !isFee(event))
        .map(({ args }) => ({
          from: nameOf(args.from),
          to: nameOf(args.to) ?? args.to,
          amount: args.amount,
        })),
      /** By recipient. */
      memos: Object.fromEntries(
        noted.map(({ args }) => [nameOf(args.to) ?? args.to, args.memo]),
      ) as Partial<Record<string, Hex>>,
      fees: moved.filter(isFee).map(({ args }) => ({ by: nameOf(args.from), amount: args.amount })),
    }
  }
  return { chain, people, read }
}

export type Scene = Awaited<ReturnType<typeof enter>>
