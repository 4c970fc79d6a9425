/**
 * Answers that are kept: read once, given as often as their visitor asks.
 *
 * @module
 */
import * as base64url from '#base64url'
import { join, type Reply } from '../transport.js'
import type { Answer } from './record.js'

/**
 * Reads a response whole, so that it can be kept and given again.
 *
 * @returns The reply with all that it says; or a response still to be read, when the body streams or is
 * longer than `limit`.
 */
export async function readAnswer(response: Response, limit: number): Promise<Reply | Response> {
  const { status, body } = response
  if (body === null) return { status, headers: headersOf(response), body: null }
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) return response
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const next = reader.read()
    // A body made of a string or bytes is there before the next turn; one that streams is not.
    const part = (await isPrompt(next)) ? await next : await Promise.race([next, nextTurn()])
    if (part?.done) break
    if (part) {
      chunks.push(part.value)
      size += part.value.length
    }
    if (!part || size > limit)
      return rebuild(response, resume(chunks, part ? undefined : next, reader))
  }
  return { status, headers: headersOf(response), body: join(chunks, size) }
}

function headersOf(response: Response): Reply['headers'] {
  const headers: Reply['headers'] = {}
  for (const [name, value] of response.headers) if (name !== 'set-cookie') headers[name] = value
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) headers['set-cookie'] = cookies
  return headers
}

const rebuild = (response: Response, body: BodyInit | null): Response =>
  new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  })

/** What nothing outside the process holds up is settled within this many microtasks. */
const PROMPT = 16

async function isPrompt(promise: Promise<unknown>): Promise<boolean> {
  const state = { settled: false }
  const note = () => void (state.settled = true)
  promise.then(note, note)
  for (let turn = 0; turn < PROMPT && !state.settled; turn++) await undefined
  return state.settled
}

const nextTurn = (): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, 0))

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** What was read already, then the rest as the visitor takes it. */
function resume(
  chunks: Uint8Array[],
  pending: ReturnType<Reader['read']> | undefined,
  reader: Reader,
): ReadableStream<Uint8Array> {
  let next = pending
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift()
      if (chunk) return controller.enqueue(chunk)
      const part = await (next ?? reader.read())
      next = undefined
      if (part.done) controller.close()
      else controller.enqueue(part.value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
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
