/**
 * What the client tests buy from: real servers on loopback, a method that pays in points, and challenges of any shape.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Challenge, Credential, Expires, Method } from '@polyrail/core'
import { onTestFinished } from 'vitest'
import * as z from 'zod/mini'

/** A request as a server saw it. */
export type Seen = {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: Buffer<ArrayBuffer>
}
export type Handler = (seen: Seen, response: ServerResponse) => void | Promise<void>

/** A real HTTP server for one test, and what it saw. */
export async function open(handler: Handler): Promise<{ url: string; seen: Seen[]; port: number }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks) as Buffer<ArrayBuffer> }
    seen.push(one)
    await handler(one, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, seen, port }
}

export const pointsMethod = <const name extends string>(name: name) =>
  Method.from({
    name,
    intent: 'charge',
    schema: {
      request: z.object({
        amount: z.string(),
        currency: z.string(),
        recipient: z.optional(z.string()),
      }),
      credential: { payload: z.object({ token: z.string() }) },
    },
    price: ({ amount, currency }) => ({ amount: BigInt(amount), currency, decimals: 2 }),
  })

/** A method that pays at once, and remembers what it paid. */
export function wallet<const name extends string = 'points'>(
  options: { name?: name; revocable?: boolean; fail?: () => unknown } = {},
) {
  const paid: Challenge.Challenge[] = []
  const method = Method.toClient(pointsMethod(options.name ?? 'points'), {
    async createCredential({ challenge }) {
      if (options.fail) throw options.fail()
      paid.push(challenge)
      const payload = { token: `${options.name ?? 'points'}-${paid.length}` }
      return { payload, ...(options.revocable && { authorization: true }) }
    },
  })
  return Object.assign({ paid }, { method })
}

/** What a challenge should have; the rest is filled in. */
type Shape = {
  [name in 'id' | 'realm' | 'method' | 'expires' | 'digest' | 'description' | 'opaque']?:
    | string
    | undefined
} & { request?: object; amount?: string }

let count = 0

/** The parameters of a challenge; each one is new. */
export function wire({ request, amount = '100', ...rest }: Shape = {}): Challenge.Wire {
  const { wire: made } = Challenge.from({
    id: `challenge-${++count}`,
    realm: 'Point Shop',
    method: 'points',
    intent: 'charge',
    request: request ?? { amount, currency: 'pts', recipient: 'shop' },
  })
  const wanted = { expires: Expires.minutes(5), ...rest }
  for (const [name, value] of Object.entries(wanted)) {
    if (value === undefined) delete made[name]
    else made[name] = value
  }
  return made
}

export const header = (shape?: Shape): string => Challenge.serialize(wire(shape))

/** Asks for payment. */
export function charge(response: ServerResponse, ...shapes: Shape[]): void {
  response.writeHead(402, {
    'www-authenticate': (shapes.length > 0 ? shapes : [{}]).map(header),
    'content-type': 'application/problem+json',
  })
  response.end('{"type":"https://paymentauth.org/problems/payment-required"}')
}

/** Refuses a proof. */
export function refuse(response: ServerResponse, problem = 'verification-failed'): void {
  response.writeHead(402, { 'www-authenticate': header() })
  response.end(JSON.stringify({ type: `https://paymentauth.org/problems/${problem}` }))
}

export const credentialOf = ({
  headers,
}: Pick<Seen, 'headers'>): Credential.Credential | undefined =>
  Credential.deserialize(Credential.extract(headers.authorization)[0])

export const isPaid = (seen: Seen): boolean => credentialOf(seen) !== undefined

/** A shop that asks once and then serves. */
export const shop =
  (...shapes: Shape[]): Handler =>
  (seen, response) =>
    isPaid(seen) ? void response.end('goods') : charge(response, ...shapes)

/** A fetch without a network: answers in turn, the last one for ever. */
export function scripted(...answers: (() => Response)[]) {
  const calls: { url: string; init: RequestInit; headers: Headers }[] = []
  const fetch = async (
    input: string | URL | Request,
    init: RequestInit = {},
  ): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input)
    calls.push({ url, init, headers: new Headers(init.headers) })
    const next = answers.length > 1 ? answers.shift() : answers[0]
    return next!()
  }
  return { fetch: fetch as typeof globalThis.fetch, calls }
}

export const asks = (shape?: Shape) => (): Response =>
  new Response('pay', { status: 402, headers: { 'www-authenticate': header(shape) } })
export const serves = (): Response => new Response('goods')
