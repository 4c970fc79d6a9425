/**
 * Records what an application writes to a Node response, as a web-standard response.
 *
 * @module
 */
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Wire } from './wire.js'

/**
 * Runs an application with its response recorded; only the wire still reaches the visitor.
 *
 * A visitor who leaves before there is an answer ends the record with status 499; later, its body breaks off.
 *
 * @returns The response, as soon as the application has said its status and headers.
 */
export function record(wire: Wire, application: () => unknown): Promise<Response> {
  return new Promise((resolve, reject) => {
    const tape = new Tape(wire, resolve)
    tape.insert()
    const fail = (cause: unknown) => (tape.hasHead ? tape.breakOff(cause) : reject(cause))
    try {
      Promise.resolve(application()).catch(fail)
    } catch (cause) {
      fail(cause)
    }
  })
}

/** Bytes that may wait for the visitor before the application is told to. */
const HIGH_WATER = 65_536

type Callback = () => void
type Given = Record<string, number | string | string[]> | readonly (string | string[])[] | undefined

class Tape {
  hasHead = false
  private isOver = false
  private isFull = false
  private body: ReadableStreamDefaultController<Uint8Array> | undefined = undefined
  /** What earlier middleware has set. */
  private readonly earlier: ReturnType<ServerResponse['getHeaders']>
  private readonly wire: Wire
  private readonly response: ServerResponse
  private readonly ready: (response: Response) => void

  constructor(wire: Wire, ready: (response: Response) => void) {
    this.wire = wire
    this.response = wire.response
    this.earlier = { ...wire.response.getHeaders() }
    this.ready = ready
  }

  /** Takes the place of what the application calls. */
  insert(): void {
    const { wire, response } = this
    const through = (method: (...parameters: never[]) => unknown, parameters: unknown[]) =>
      Reflect.apply(method, response, parameters)
    Object.assign(response, {
      writeHead: (status: number, ...rest: unknown[]) =>
        wire.isSending
          ? through(wire.original.writeHead, [status, ...rest])
          : this.head(status, (typeof rest[0] === 'string' ? rest[1] : rest[0]) as Given),
      write: (...parameters: unknown[]) =>
        wire.isWriting ? through(wire.original.write, parameters) : this.write(parameters),
      end: (...parameters: unknown[]) =>
        wire.isWriting ? through(wire.original.end, parameters) : this.end(parameters),
      flushHeaders: () => this.start(),
      // As `pipeline` does when its source fails: unlike one whose visitor left, it breaks off.
      destroy: (cause: unknown) => {
        if (this.hasHead && response.socket?.destroyed === false) this.breakOff(cause)
        return through(wire.original.destroy, [cause])
      },
      // Compression before us takes who waits for `drain` to a stream of its own.
      on: (event: string, listener: Callback) =>
        through(event === 'drain' ? EventEmitter.prototype.on : wire.original.on, [
          event,
          listener,
        ]),
    })
    const own = (name: keyof ServerResponse) =>
      Reflect.get(Object.getPrototypeOf(response) as object, name, response) as unknown
    // What was put before us asks too, when it is about to write to the visitor.
    Object.defineProperties(response, {
      headersSent: {
        configurable: true,
        get: () => (wire.isWriting ? own('headersSent') : this.hasHead),
      },
      writableEnded: {
        configurable: true,
        get: () => (wire.isWriting ? own('writableEnded') : this.isOver),
      },
    })
    const { socket, httpVersionMajor } = response.req
    response.once('close', () => {
      // As Express does when a handler fails that has begun to write. Who takes nothing for long is cut off too, but has had it.
      if (this.hasHead && httpVersionMajor === 1 && isCutHere(socket) && !wire.isWaiting)
        this.breakOff(new Error('The connection was cut before the answer was whole.'))
      // Whoever reads the answer gets to stop reading first: what a visitor broke off is not an answer that broke.
      setImmediate(() => this.leave())
    })
  }

  /** Ends the body as no whole one ends. */
  breakOff(cause: unknown): void {
    if (this.isOver) return
    this.isOver = this.wire.isBroken = true
    this.body?.error(cause)
  }

  private head(status: number, given: Given): ServerResponse {
    const { response } = this
    if (this.hasHead) return response
    response.statusCode = status
    setHeaders(response, given)
    // Throws for a status that no web-standard response has: nothing has been said by then.
    const answer = new Response(this.open(), { status, headers: headersOf(response) })
    this.hasHead = true
    this.withdraw()
    this.ready(answer)
    return response
  }

  /** Leaves nothing of the answer where another may go out instead. */
  private withdraw(): void {
    const { response, earlier } = this
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    for (const name in earlier) response.setHeader(name, earlier[name] ?? '')
  }

  /** Through whatever others have put before `writeHead`. */
  private start(): void {
    if (!this.hasHead) this.response.writeHead(this.response.statusCode)
  }

  private open(): ReadableStream<Uint8Array> | null {
    const { statusCode, req } = this.response
    if (BODYLESS.has(statusCode) || req.method === 'HEAD') return null
    const source: UnderlyingDefaultSource<Uint8Array> = {
      start: (controller) => {
        this.body = controller
      },
      pull: () => this.drain(),
      cancel: () => {
        this.isOver = true
      },
    }
    return new ReadableStream(source, new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER }))
  }

  private write(parameters: unknown[]): boolean {
    const bytes = bytesIn(parameters)
    this.start()
    this.push(bytes)
    const done = callbackIn(parameters)
    if (done) queueMicrotask(done)
    this.isFull = (this.body?.desiredSize ?? 1) <= 0
    return !this.isFull
  }

  private end(parameters: unknown[]): ServerResponse {
    const { response } = this
    const bytes = bytesIn(parameters)
    const done = callbackIn(parameters)
    if (done) response.once('finish', done)
    this.start()
    this.push(bytes)
    if (!this.isOver) this.body?.close()
    this.isOver = true
    return response
  }

  private push(bytes: Uint8Array | undefined): void {
    if (!this.isOver && bytes && bytes.length > 0) this.body?.enqueue(bytes)
  }

  private drain(): void {
    if (!this.isFull) return
    this.isFull = false
    this.wire.isPretending = true
    this.response.emit('drain')
    this.wire.isPretending = false
  }

  private leave(): void {
    if (this.isOver) return
    if (this.hasHead)
      return this.breakOff(new Error('The visitor left before the answer was whole.'))
    this.isOver = this.hasHead = true
    this.ready(new Response(null, { status: 499 }))
  }
}

/** True unless it was the visitor who closed the connection. */
const isCutHere = ({ readableEnded, errored }: Socket): boolean => !readableEnded && !errored

const BODYLESS = new Set([204, 205, 304])

const callbackIn = (parameters: unknown[]): Callback | undefined =>
  parameters.find((parameter): parameter is Callback => typeof parameter === 'function')

/**
 * What `write` and `end` are given, copied: an application may use its buffer again once it is told that it may go on.
 *
 * @throws TypeError for what is neither text nor bytes, as Node does.
 */
function bytesIn([chunk, encoding]: unknown[]): Uint8Array | undefined {
  if (chunk == null || typeof chunk === 'function') return undefined
  return typeof chunk === 'string'
    ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
    : Buffer.from(chunk as Uint8Array)
}

/** As `writeHead` takes them: an object, or names and values in turn. */
function setHeaders(response: ServerResponse, given: Given): void {
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given ?? {})) response.setHeader(name, value)
    return
  }
  const names = given.filter((_, index) => index % 2 === 0)
  for (const name of names) response.removeHeader(name)
  for (const [index, name] of names.entries()) response.appendHeader(name, given[index * 2 + 1])
}

function headersOf(response: ServerResponse): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(response.getHeaders()))
    for (const one of [value].flat()) headers.append(name, String(one))
  return headers
}
