/**
 * What the payment steps see of a request and say in reply, whatever carries them.
 *
 * @module
 */

/** A request, as far as payment is concerned. */
export interface Inbound {
  /** HTTP method, upper case. */
  readonly method: string
  /** Absolute URL. */
  readonly url: string
  /** The route pattern, where an adapter knows it; else the path stands for the route. */
  readonly scope?: string | undefined
  /** Who is at the other end of the connection, where that is known: the payer, or a proxy. */
  readonly address?: string | undefined
  /** A header's value, several joined by `, `; null when absent. */
  header(name: string): string | null
  /** False when there is surely no body to bind. */
  readonly hasBody: boolean
  /** The body's bytes, read once for everyone; undefined when there is none. */
  body(limit: number): Promise<Uint8Array | undefined | typeof TOO_LARGE>
  /** The request for the application, its body unread. */
  request(): Request
}

/** A reply that the payment steps make by themselves: always small, always whole. */
export type Reply = {
  status: number
  headers: Record<string, string | string[]>
  body: string | Uint8Array | null
}

export const TOO_LARGE = Symbol('body too large')

/**
 * Sees a web-standard request as Inbound.
 *
 * @param options.body - The body's bytes, for who has read them already.
 * @param options.scope - The route pattern.
 */
export function fromRequest(request: Request, options?: fromRequest.Options): Inbound {
  return new WebInbound(request, options)
}

export declare namespace fromRequest {
  type Options = { body?: Uint8Array | string | undefined; scope?: string | undefined }
}

/** A class, for one is made for every request. */
class WebInbound implements Inbound {
  readonly method: string
  readonly url: string
  readonly scope: string | undefined
  readonly hasBody: boolean
  private readonly web: Request
  private readonly given: Uint8Array | string | undefined
  private captured: ReturnType<Inbound['body']> | undefined = undefined

  constructor(web: Request, options?: fromRequest.Options) {
    this.web = web
    this.method = web.method
    this.url = web.url
    this.scope = options?.scope
    this.given = options?.body
    this.hasBody = this.given !== undefined || (mayHaveBody(this.method) && web.body !== null)
  }

  header(name: string): string | null {
    return this.web.headers.get(name)
  }

  body(limit: number): ReturnType<Inbound['body']> {
    if (this.given !== undefined) return Promise.resolve(toBytes(this.given))
    if (this.web.bodyUsed)
      throw new TypeError(`${BODY_WAS_READ} or pass the bytes: handler(request, { body }).`)
    return (this.captured ??= readBody(this.web.clone().body, limit))
  }

  request(): Request {
    return this.web
  }
}

export const BODY_WAS_READ =
  'The request body was read before the payment check, so it cannot be bound to the payment. Call the payment handler first,'

/** Tells a response, of this runtime or of a library, from a reply of our own. */
export const isResponse = (answer: unknown): answer is Response =>
  typeof (answer as Partial<Response> | null | undefined)?.headers?.get === 'function'

/** True for HTTP methods whose body is bound to the payment. */
export const mayHaveBody = (method: string): boolean => method !== 'GET' && method !== 'HEAD'

export function toBytes(body: Uint8Array | string): Uint8Array | undefined {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return bytes.length === 0 ? undefined : bytes
}

/** Reads a stream to its end, giving up at `limit` bytes. */
export async function readBody(
  stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array | undefined | typeof TOO_LARGE> {
  if (stream === null) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  // Not `for await`: leaving it early waits for a clone's other half, and cuts a Node socket off unanswered.
  const reading = (stream as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  for (let next = await reading.next(); !next.done; next = await reading.next()) {
    size += next.value.length
    if (size > limit) return TOO_LARGE
    chunks.push(next.value)
  }
  return size === 0 ? undefined : join(chunks, size)
}

/** Reads a stream to its end for nobody: unread, it would stand in the way of the next request on its connection. */
export async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of stream);
  } catch {
    // Whoever sent it has left: there is no next request.
  }
}

export function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/** Turns a reply into a web-standard response; several challenges share a header, as RFC 9110 allows. */
export function toResponse({ status, headers, body }: Reply): Response {
  const joined: Record<string, string> = {}
  const cookies: string[] = []
  for (const name in headers) {
    const value = headers[name] as string | string[]
    if (name === 'set-cookie') cookies.push(...[value].flat())
    else joined[name] = typeof value === 'string' ? value : value.join(', ')
  }
  const response = new Response(body as BodyInit | null, { status, headers: joined })
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}
