/**
 * One request, kept so that it can be sent again as it was: its URL, headers and body.
 *
 * @module
 */
import { within } from './deadline.js'
import type { Fetch } from './polyfill.js'

/** What a fetch takes first. */
export type Input = Parameters<Fetch>[0]

/** A request that can be sent again. */
export type Call = {
  /** Where it was sent, redirects aside. */
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body?: Body | undefined
  /** Set for a body that can be sent only once: a request that has one is never paid. */
  readonly duplex?: 'half'
  readonly redirect: RequestRedirect
  readonly signal: AbortSignal | undefined
  /** Sends it, with changes; to another URL only what `changes` and the caller's options say goes along. */
  send(changes?: RequestInit, url?: string): Promise<Response>
}
export type Body = string | Blob | ReadableStream

/**
 * Reads a fetch's arguments, and its body once.
 *
 * @throws TypeError when the body was read before.
 */
export async function capture(
  input: Input,
  init: RequestInit,
  options: { fetch: Fetch; maxBodyBytes: number },
): Promise<Call> {
  const { fetch, maxBodyBytes: limit } = options
  const request = typeof input === 'object' && 'headers' in input ? input : undefined
  const said = <name extends keyof RequestInit & keyof Request>(name: name) =>
    init[name] ?? request?.[name] ?? undefined
  const headers = new Headers(init.headers ?? request?.headers)
  const signal = said('signal')
  const { type, ...kept } = await keep(init.body ?? request, { limit, signal })
  if (type && !headers.has('content-type')) headers.set('content-type', type)
  const url = urlOf(input)
  const method = String(said('method') ?? 'GET').toUpperCase()
  const own = { ...init, headers, ...kept }
  const elsewhere = { method, signal, credentials: said('credentials') } as RequestInit
  return {
    url,
    method,
    headers,
    signal,
    redirect: said('redirect') ?? 'follow',
    ...kept,
    send: (changes, to = url.href) =>
      to === url.href
        ? fetch(input, { ...own, ...changes })
        : fetch(to, { ...elsewhere, ...own, ...changes }),
  }
}

const urlOf = (input: Input): URL =>
  new URL(
    typeof input === 'object' && 'url' in input ? input.url : input,
    globalThis.location?.href,
  )

type Kept = { body?: Body; type?: string | null; duplex?: 'half' }
type Options = { limit: number; signal: AbortSignal | undefined }

async function keep(source: BodyInit | Request | undefined, options: Options): Promise<Kept> {
  // Text and blobs never change, so they are their own copies.
  if (typeof source === 'string' || source instanceof Blob) return { body: source }
  if (!source) return {}
  const isRequest = 'headers' in source
  const written = isRequest ? source : new Response(source)
  const { body: stream, headers, bodyUsed } = written
  if (bodyUsed) throw new TypeError('The body of this Request was read before: send its clone().')
  if (stream === null) return {}
  const type = headers.get('content-type')
  if (stream && (isRequest || source instanceof ReadableStream || Symbol.asyncIterator in source))
    return { type, ...(await drain(stream, options)) }
  // A form is written once: a second writing would have another boundary, and so another digest.
  const body = await written.blob()
  return body.size ? { type, body } : {}
}

/** Reads up to the limit; a longer body goes on as a stream that can be sent only once. */
export async function drain(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { limit, signal }: Options,
): Promise<{ body: Blob | ReadableStream; duplex?: 'half' }> {
  const reader = stream.getReader()
  const onLeave = (): void => void reader.cancel().catch(() => {})
  const chunks: Uint8Array<ArrayBuffer>[] = []
  for (let size = 0; size <= limit;) {
    const { done, value } = await within(reader.read(), { signal, onLeave })
    if (done) return { body: new Blob(chunks) }
    chunks.push(value)
    size += value.length
  }
  const body = new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift() ?? (await reader.read()).value
      if (chunk) controller.enqueue(chunk)
      else controller.close()
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return { body, duplex: 'half' }
}
