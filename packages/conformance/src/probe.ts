/**
 * The prober: runs the wire cases against any URL of any server.
 *
 * @module
 */
import { Credential, type Method } from '@polyrail/core'
import type { Answer } from './answer.js'
import { applies, must } from './case.js'
import { wireCases } from './cases/index.js'
import { run, type Report, type Result } from './run.js'
import { traits, wire } from './wire.js'

/**
 * Probes a priced URL. It makes no payment unless it is given a client, and then about a dozen small ones.
 *
 * @param url - The priced URL.
 * @param options.client - A method, or several, to pay with; see `Method.toClient`.
 * @param options.unsafe - Also sends PUT, PATCH and DELETE without payment.
 * @param options.requests - Most requests in all (500).
 * @param options.timeout - Most milliseconds in all (120,000).
 * @param options.onResult - Told of each result as it comes.
 * @throws TypeError when the URL is not http or https.
 * @example
 * const report = await probe('https://api.example.com/paid', { onResult: (one) => console.log(line(one)) })
 * process.exitCode = report.failed === 0 ? 0 : 1
 */
export async function probe(url: string, options: probe.Options = {}): Promise<Report> {
  const { client, context, onResult, requests = 500, timeout = 120_000 } = options
  if (!/^https?:$/.test(new URL(url).protocol)) throw new TypeError(`${url} is not an http(s) URL.`)
  const end = Date.now() + timeout
  const target: wire.Target = {
    url,
    fetch: bounded(options.fetch ?? fetch, { requests, end }),
    ...pick(options, ['method', 'headers', 'body', 'other', 'unsafe']),
    ...(client && { pay: (answer: Answer) => pay([client].flat(), answer, { url, context, end }) }),
  }
  const has = traits(target)
  return run(wireCases, {
    context: wire(target),
    has: Object.fromEntries(Object.keys(has).map((name) => [name, true])),
    exempt: inapplicable(has),
    ...(onResult && { onResult }),
  })
}

export declare namespace probe {
  type Options = {
    method?: string
    headers?: Readonly<Record<string, string>>
    body?: string
    /** Another priced URL of the same price. */
    other?: string
    unsafe?: boolean
    client?: Method.Client | readonly Method.Client[]
    /** Handed to the client's `createCredential`. */
    context?: unknown
    requests?: number
    timeout?: number
    onResult?: (result: Result) => void
    /** What sends the requests: the platform's fetch, unless the server is in this process. */
    fetch?: (request: Request) => Promise<Response>
  }
}

/** What to give so that a case can be run. */
const WANTED: Readonly<Record<string, string>> = {
  pay: 'a client to pay with',
  body: 'a body to send',
  other: 'another priced URL',
  unsafe: 'leave to send PUT, PATCH and DELETE',
}

function inapplicable(has: Readonly<Record<string, boolean>>): Record<string, string> {
  const left = wireCases.filter(({ needs }) => !applies(needs, has))
  return Object.fromEntries(
    left.map(({ id, needs = [] }) => {
      const missing = needs.filter((need) => has[need] !== true).map((need) => WANTED[need] ?? need)
      return [id, `needs ${missing.join(' and ')}`]
    }),
  )
}

/** No single request may take longer than this, in ms, and no payment than four times as long. */
const PATIENCE = 15_000

/** No case looks further into a body, in bytes. */
const ENOUGH = 1_048_576

type Bounds = { requests: number; end: number }

function bounded(
  fetch: (request: Request) => Promise<Response>,
  { requests, end }: Bounds,
): (request: Request) => Promise<Response> {
  let sent = 0
  return async (request) => {
    sent += 1
    must(sent <= requests, `the probe has sent its ${requests} requests`)
    const most = timeLeft(end, PATIENCE)
    const leaving = new AbortController()
    const asked = new Request(request, { signal: leaving.signal })
    let broken = 'got no answer'
    try {
      return await within(most, async (late) => {
        const response = await Promise.race([fetch(asked), late])
        broken = `answered ${response.status} with a body that did not end`
        return await readBounded(response, late)
      })
    } catch (error) {
      leaving.abort()
      const cause = error instanceof Error ? (error.cause ?? error) : error
      throw new Error(`${request.method} ${request.url} ${broken}: ${String(cause)}`, {
        cause: error,
      })
    }
  }
}

/** The milliseconds that one thing may take. */
function timeLeft(end: number, most: number): number {
  const left = end - Date.now()
  must(left > 0, 'the time for the probe is over')
  return Math.min(left, most)
}

/** Does something that is given up when the time is over: `late` rejects then, whatever listens to no signal. */
async function within<result>(
  milliseconds: number,
  act: (late: Promise<never>) => Promise<result>,
): Promise<result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `no end within ${milliseconds} ms`
    timer = setTimeout(() => reject(new Error(message)), milliseconds)
  })
  late.catch(() => undefined)
  try {
    return await act(late)
  } finally {
    clearTimeout(timer)
  }
}

/** Reads as much as the cases look at. What comes later is left with the server. */
async function readBounded(response: Response, late: Promise<never>): Promise<Response> {
  if (response.body === null) return response
  const reader = response.body.getReader()
  const chunks: BlobPart[] = []
  try {
    for (let size = 0; size < ENOUGH;) {
      const { done, value } = await Promise.race([reader.read(), late])
      if (done) break
      chunks.push(value)
      size += value.length
    }
  } finally {
    // Cancelled by hand: a fetch whose answer has begun may not hear its signal any more.
    void reader.cancel().catch(() => undefined)
  }
  const { status, statusText, headers } = response
  return new Response(new Blob(chunks), { status, statusText, headers })
}

async function pay(
  clients: readonly Method.Client[],
  answer: Answer,
  { url, context, end }: { url: string | URL; context: unknown; end: number },
): Promise<string> {
  for (const { name, intent, createCredential } of clients) {
    const challenge = answer.challenges.find((one) => one.method === name && one.intent === intent)
    if (!challenge) continue
    // Each purchase is one of its own, for a method that remembers what it paid for.
    const asked = new URL(`#${challenge.id}`, url)
    const most = timeLeft(end, 4 * PATIENCE)
    const signal = AbortSignal.timeout(most)
    const { payload, source } = await within(most, (late) =>
      Promise.race([createCredential({ challenge, context, url: asked, signal }), late]),
    )
    return Credential.serialize({ challenge, payload, source })
  }
  const offered = answer.wires.map(({ method, intent }) => `${method}/${intent}`).join(', ')
  throw new Error(`No client given can pay: the server offers ${offered || 'nothing'}.`)
}

function pick<value extends object, name extends keyof value>(
  value: value,
  names: readonly name[],
): Pick<value, name> {
  const given = names.filter((name) => value[name] !== undefined)
  return Object.fromEntries(given.map((name) => [name, value[name]])) as Pick<value, name>
}
