/**
 * A paying client on a local chain, for the tests of the paying side.
 *
 * @module
 */
import { Challenge, Expires } from '@polyrail/core'
import type { ChargeRequest } from '@polyrail/tempo'
import { tempo } from '@polyrail/tempo/client'
import { createClient, custom, http, numberToHex, parseEventLogs, type Log } from 'viem'
import { Abis, Transaction } from 'viem/tempo'
import { start } from './rail.ts'

type Details = NonNullable<ChargeRequest['methodDetails']>
export type Asked = Partial<Omit<ChargeRequest, 'methodDetails'>> & {
  methodDetails?: { [name in keyof Details]?: Details[name] | undefined }
}
export type Options = Partial<tempo.Options>

let issued = 0

/** Starts a chain with a payer and a shop, and a client for who wants to pay there. */
export async function createPaying() {
  const local = await start()
  const { chain, shop, payer, at } = local

  /** A challenge for a cent, but for what is changed. */
  function challengeFor(asked: Asked = {}, expires = Expires.minutes(5)) {
    const { methodDetails, ...rest } = asked
    const request = {
      amount: '10000',
      currency: chain.tokens.pathUSD,
      recipient: shop.address,
      ...rest,
      methodDetails: { chainId: 1337, supportedModes: ['pull'] as const, ...methodDetails },
    } as ChargeRequest
    const id = `challenge-${++issued}`
    const [realm, method, intent] = ['shop.example', 'tempo', 'charge']
    return { ...Challenge.from({ id, realm, method, intent, request, expires }), request }
  }

  const wallet = (options: Options = {}) => tempo.charge({ account: payer, ...at, ...options })

  /** Makes a credential. */
  async function prove(challenge: ReturnType<typeof challengeFor>, options: Options = {}) {
    const { signal } = new AbortController()
    const url = new URL('https://shop.example/')
    return wallet(options).createCredential({ challenge, context: undefined, url, signal })
  }

  return {
    ...local,
    challengeFor,
    wallet,
    prove,
    accepts: (asked: Asked, options: Options = {}) =>
      wallet(options).accepts?.({ challenge: challengeFor(asked) }),
    /** Signs a payment. */
    async pay(asked: Asked = {}, options: Options = {}) {
      const challenge = challengeFor(asked)
      const proof = await prove(challenge, options)
      const { signature: raw } = proof.payload as { signature: `0x76${string}` }
      return { ...proof, raw, challenge, fields: Transaction.deserialize(raw) }
    },
    /** Reaches a node that would have a tip for gas. */
    priced(tip: bigint) {
      const { request } = http(chain.rpcUrl)({})
      return createClient({
        transport: custom({
          request: (asked) =>
            asked.method === 'eth_maxPriorityFeePerGas'
              ? Promise.resolve(numberToHex(tip))
              : request(asked),
        }),
      })
    },
    /** Puts a signed transaction into a block, as a server would. */
    send: (raw: `0x${string}`) =>
      chain.client().sendRawTransactionSync({ serializedTransaction: raw }),
    receiptOf: (hash: `0x${string}`) => chain.client().getTransactionReceipt({ hash }),
  }
}

/** Who got how much of which token, and with which memo, in the order of the logs; fees left out. */
export function paymentsIn(logs: Log[]) {
  return parseEventLogs({ abi: Abis.tip20, eventName: ['Transfer', 'TransferWithMemo'], logs })
    .filter(({ args }) => !/^0xfeec/i.test(args.to))
    .map(({ args, address, eventName: name }) => ({
      token: address,
      from: args.from,
      to: args.to,
      amount: args.amount,
      ...(name === 'TransferWithMemo' && { memo: args.memo }),
    }))
}
