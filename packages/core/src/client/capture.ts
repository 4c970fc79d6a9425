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
  /** Where it was sent, as the caller said it. */
  readonly url: string
  readonly method: string
  /** By names in lower case: a record, for `Headers` cost more than all the rest. */
  readonly headers: Record<string, string>
  readonly body?: Body | undefined
  /** Set for a body that can be sent only once: a request that has one is never paid. */
  readonly duplex?: 'half'
  readonly redirect: RequestRedirect
  readonly signal: AbortSignal | undefined
  /** Sends it, with changes; to another URL, what the caller's `Request` said beside the essential stays behind. */
  readonly send: (changes?: RequestInit, url?: string) => Promise<Response>
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
  const { fetch } = options
  const { body } = init
  // Text and blobs never change, so they are their own copies. For the rest the platform writes the
  // body, once: a second writing of a form would have another boundary, and so another digest.
  const isPlain = !isRequest(input) && (!body || typeof body === 'string' || body instanceof Blob)
  const source: RequestInit & { url?: string } = isPlain ? init : new Request(input, init)
  const { url = String(input), method = 'GET', redirect = 'follow', credentials } = source
  const signal = source.signal ?? undefined
  const headers = source.headers ? Object.fromEntries(new Headers(source.headers)) : {}
  const kept = isPlain ? body && { body } : await keep(source as Request, init, options)
  // Not spread: V8 is ten times slower to add to a copy that a spread has made.
  const own = Object.assign({ method, credentials }, init, { headers }, kept)
  return {
    url,
    method: method.toUpperCase(),
    headers,
    signal,
    redirect,
    ...kept,
    send: (changes, to) =>
      fetch(to || (isPlain ? input : (source as Request)), Object.assign({}, own, changes)),
  }
}

const isRequest = (input: Input): input is Request =>
  typeof input === 'object' && 'headers' in input

type Kept = { body?: Blob | ReadableStream; duplex?: 'half' }

async function keep(
  request: Request,
  { body }: RequestInit,
  { maxBodyBytes }: { maxBodyBytes: number },
): Promise<Kept> {
  const { body: stream, signal } = request
  if (stream === null) return {}
  const isInMemory = body && ('append' in Object(body) || 'byteLength' in Object(body))
  if (stream) return drain(stream, { limit: isInMemory ? Infinity : maxBodyBytes, signal })
  // Where a Request does not show its stream, only its bytes can be had.
  const bytes = await request.blob()
  return bytes.size ? { body: bytes } : {}
}

/** Reads up to the limit; a longer body goes on as a stream that can be sent only once. */
export async function drain(
  stream: ReadableStream<Uint8Array>,
  { limit, signal }: { limit: number; signal: AbortSignal | undefined },
): Promise<Kept> {
  const reader = stream.getReader()
  const onLeave = (): void => void reader.cancel().catch(() => {})
  // Not `Uint8Array<ArrayBuffer>`, which users' TypeScript below 5.7 cannot read in our declarations.
  const chunks: Uint8Array[] = []
  for (let size = 0; size <= limit;) {
    const { done, value } = await within(reader.read(), signal, onLeave)
    if (done) return { body: new Blob(chunks as BlobPart[]) }
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
