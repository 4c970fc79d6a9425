/**
 * Answers that are kept: read once, given as often as their visitor asks.
 *
 * @module
 */
import * as base64url from '#base64url'
import { join, type Reply } from '../transport.js'
import type { Answer } from './record.js'

/** An answer that is not kept: its head, what was read of its body already and then the rest. */
export type Flow = {
  response: Response
  pull(): Promise<ReadableStreamReadResult<Uint8Array>>
  cancel(reason: unknown): Promise<void>
  /** Rejects as soon as its source breaks, however much is still to be pulled. */
  closed: Promise<unknown>
}

/**
 * Reads a response whole, so that it can be kept and given again.
 *
 * @returns The reply with all that it says; or what is left to be read, when the body streams or is
 * longer than `limit`.
 */
export async function readAnswer(response: Response, limit: number): Promise<Reply | Flow> {
  const { status, body } = response
  if (body === null) return { status, headers: headersOf(response), body: null }
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  if (response.headers.get('content-type')?.startsWith('text/event-stream'))
    return flowOf(response, reader, { chunks })
  let size = 0
  let late: Promise<undefined> | undefined
  for (;;) {
    const next = reader.read()
    const part =
      (await isPrompt(next)) || isShort(response, limit)
        ? await next
        : await Promise.race([next, (late ??= patience())])
    if (!part) return flowOf(response, reader, { chunks, next })
    if (part.done) return { status, headers: headersOf(response), body: join(chunks, size) }
    chunks.push(part.value)
    size += part.value.length
    if (size > limit) return flowOf(response, reader, { chunks })
  }
}

function headersOf(response: Response): Reply['headers'] {
  const headers: Reply['headers'] = {}
  for (const [name, value] of response.headers) if (name !== 'set-cookie') headers[name] = value
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) headers['set-cookie'] = cookies
  return headers
}

/** What nothing outside the process holds up is settled within this many microtasks. */
const PROMPT = 16

async function isPrompt(promise: Promise<unknown>): Promise<boolean> {
  const state = { settled: false }
  const note = () => void (state.settled = true)
  promise.then(note, note)
  for (let turn = 0; turn < PROMPT && !state.settled; turn++) await undefined
  return state.settled
}

/** True when the response says that it is short enough to be kept, however slowly it comes. */
function isShort({ headers }: Response, limit: number): boolean {
  const length = headers.get('content-length')
  return length !== null && Number(length) <= limit
}

/** Milliseconds that a body of unknown length may take; one that takes longer may be a stream, and goes out as it comes. */
const PATIENCE = 50
const patience = (): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, PATIENCE))

type Reader = ReadableStreamDefaultReader<Uint8Array>

function flowOf(
  response: Response,
  reader: Reader,
  { chunks, next }: { chunks: Uint8Array[]; next?: ReturnType<Reader['read']> },
): Flow {
  let pending = next
  return {
    response,
    pull() {
      const value = chunks.shift()
      if (value) return Promise.resolve({ done: false, value })
      const part = pending ?? reader.read()
      pending = undefined
      return part
    },
    cancel: (reason) => reader.cancel(reason),
    closed: reader.closed,
  }
}

/** The response of a flow, from its beginning. */
export function flowing({ response, pull, cancel, closed }: Flow): Response {
  const source: UnderlyingDefaultSource<Uint8Array> = {
    start: (controller) => void closed.catch((cause: unknown) => controller.error(cause)),
    async pull(controller) {
      const part = await pull()
      if (part.done) controller.close()
      else controller.enqueue(part.value)
    },
    cancel,
  }
  const { status, statusText, headers } = response
  const init = { status, statusText, headers }
  return new Response(new ReadableStream(source, { highWaterMark: 0 }), init)
}

/** What is kept of a reply. */
export const keep = ({ status, headers, body }: Reply): Answer => ({
  status,
  headers,
  body: body === null ? '' : base64url.encode(body),
})

/** The recorded answer, as it was given. */
export function replay({ status, headers, body }: Answer): Reply {
  return { status, headers, body: body === '' ? null : (base64url.decodeBytes(body) ?? null) }
}
