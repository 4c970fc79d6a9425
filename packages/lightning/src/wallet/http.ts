/**
 * Requests to a wallet's HTTP service: bounded in time and size, and never on to another host.
 *
 * @module
 */
import { deadline, within, type Deadline } from './deadline.js'
import { WalletError } from './error.js'

/** The part of `fetch` that a wallet needs. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

type Service = {
  /** As its users call it. */
  name: string
  /** Address, without a slash at the end. */
  url: string
  /** Shown with every request. */
  headers: Readonly<Record<string, string>>
  /** Seconds for an answer, unless a call says otherwise. Default 15. */
  timeout?: number | undefined
  fetch?: Fetch | undefined
}

export type Call = {
  method: 'GET' | 'POST'
  path: string
  type?: 'application/json' | 'application/x-www-form-urlencoded'
  body?: string
  /** Seconds for the whole answer. */
  seconds?: number
  signal?: AbortSignal | undefined
}

/** An answer. Its body is read once, by one of the two. */
export type Answer = {
  status: number
  text(): Promise<string>
  /** Line by line, as they come. Left early, it ends the connection. */
  lines(): AsyncGenerator<string, void, undefined>
}

/** Characters of an answer, or of a line of it. A payment with hundreds of attempts stays below. */
const LIMIT = 4 * 1024 * 1024

/**
 * Makes the function that asks a service.
 *
 * @returns Asks. It throws the signal's reason when the caller ends the wait, and else a {@link WalletError}.
 */
export function connect(service: Service): (call: Call) => Promise<Answer> {
  const { name, url, headers, timeout = 15, fetch } = service
  const send: Fetch = fetch ?? ((address, init) => globalThis.fetch(address, init))
  return async ({ method, path, type, body, seconds, signal }) => {
    const end = deadline(seconds ?? timeout, signal)
    const watch: Watch = { name, end, caller: signal }
    const init: RequestInit = {
      method,
      headers: { ...headers, ...(type && { 'content-type': type }) },
      ...(body !== undefined && { body }),
      // Followed, a redirect would take the key elsewhere.
      redirect: 'manual',
      signal: end.signal,
    }
    signal?.throwIfAborted()
    const response = await explain(watch, () => within(send(`${url}${path}`, init), end.signal))
    checkStatus(name, response)
    return {
      status: response.status,
      text: () => explain(watch, () => readText(watch, response)),
      lines: () => readLines(watch, response),
    }
  }
}

type Watch = { name: string; end: Deadline; caller: AbortSignal | undefined }

function checkStatus(name: string, { status, type }: Response) {
  if (type === 'opaqueredirect' || (status >= 300 && status < 400))
    throw new WalletError('refused', `${name} answers with a redirect: give its final address.`)
  if (status === 401 || status === 403)
    throw new WalletError('unauthorized', `${name} does not accept the key, or not for this call.`)
}

/** Turns what a connection throws into what the caller may know. */
async function explain<result>(watch: Watch, work: () => Promise<result>): Promise<result> {
  try {
    return await work()
  } catch (error) {
    throw translate(watch, error)
  }
}

function translate({ name, end, caller }: Watch, error: unknown): unknown {
  if (error instanceof WalletError) return error
  if (caller?.aborted) return caller.reason
  if (end.late.aborted) return new WalletError('unanswered', `${name} did not answer in time.`)
  const code = codeOf(error)
  return new WalletError('unreachable', `${name} cannot be reached${code ? ` (${code})` : ''}.`)
}

/** The code of a system error, which `fetch` wraps. */
function codeOf(error: unknown): string | undefined {
  const { cause = error } = Object(error) as { cause?: unknown }
  const { code } = Object(cause) as { code?: unknown }
  return typeof code === 'string' && /^[A-Z_0-9]{1,40}$/.test(code) ? code : undefined
}

async function* readChunks({ end }: Watch, response: Response) {
  const reader = response.body?.getReader()
  if (!reader) return
  const decoder = new TextDecoder()
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), end.signal)
      if (done) return
      yield decoder.decode(value, { stream: true })
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

async function readText(watch: Watch, response: Response): Promise<string> {
  let text = ''
  for await (const chunk of readChunks(watch, response)) {
    text += chunk
    if (text.length > LIMIT) throw tooLong(watch)
  }
  return text
}

async function* readLines(watch: Watch, response: Response) {
  try {
    let rest = ''
    for await (const chunk of readChunks(watch, response)) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LIMIT) throw tooLong(watch)
      yield* lines.filter((line) => line.trim())
    }
    if (rest.trim()) yield rest
  } catch (error) {
    throw translate(watch, error)
  }
}

const tooLong = ({ name }: Watch) =>
  new WalletError('unreadable', `${name} gives an answer that is too long to be one.`)
