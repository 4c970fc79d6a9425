/**
 * What the demo prints, and how it overhears the wire.
 *
 * @module
 */
import type { Tempo } from '@polyrail/sandbox/tempo'
import { styleText } from 'node:util'
import { formatUnits, parseEventLogs, type Hex } from 'viem'
import { Abis } from 'viem/tempo'

let step = 0

/** Begins a numbered step. */
export function title(text: string): void {
  console.log(`\n${styleText('bold', `${++step}. ${text}`)}`)
}

/** One fact. */
export function row(name: string, text: string): void {
  console.log(`   ${styleText('cyan', name.padEnd(10))} ${text}`)
}

/** Something with parts, one a line. Long text, such as a signed transaction, is cut. */
export function part(name: string, value: object, indent = '     '): void {
  console.log(`${indent.slice(2)}${styleText('cyan', name)}`)
  for (const [key, leaf] of Object.entries(value)) {
    if (typeof leaf === 'object' && !Array.isArray(leaf)) part(key, leaf, `${indent}  `)
    else console.log(`${indent}${key}: ${shorten(String(leaf))}`)
  }
}

const shorten = (text: string): string =>
  text.length <= 66 ? text : `${text.slice(0, 34)}… (${text.length} characters)`

/** Base units of a stablecoin, for people. */
export const dollars = (amount: bigint): string => `$${formatUnits(amount, 6)}`

/** Millisatoshis, for people. */
export const sats = (msat: bigint): string => `${formatUnits(msat, 3)} sat`

/** A fetch that remembers the last credential it carried. */
export function listen() {
  let authorization: string | null = null
  return {
    authorization: () => authorization,
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
      authorization = new Headers(init?.headers).get('authorization') ?? authorization
      return fetch(input, init)
    },
  }
}

/** Asks the chain, not the shop, about a transaction. */
export async function showTransaction(chain: Tempo.Chain, reference: string): Promise<void> {
  const receipt = await chain.client().getTransactionReceipt({ hash: reference as Hex })
  const logs = parseEventLogs({
    abi: Abis.tip20,
    logs: receipt.logs,
    eventName: 'TransferWithMemo',
  })
  row('hash', receipt.transactionHash)
  row('block', `${receipt.blockNumber}, ${receipt.status}`)
  row(
    'fee',
    `${dollars((receipt.gasUsed * receipt.effectiveGasPrice + 10n ** 12n - 1n) / 10n ** 12n)}, gas ${receipt.gasUsed}`,
  )
  for (const { args } of logs) {
    row('transfer', `${dollars(args.amount)} from ${args.from} to ${args.to}`)
    row('memo', `${args.memo}, bound to the challenge`)
  }
}
