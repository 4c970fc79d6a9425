/**
 * A Node response as it was before the application got it: what is written here goes to the visitor.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { extend } from './lists.js'
import type { NodeResponse } from './messages.js'

type Method = (...parameters: never[]) => unknown

/** Keeps the methods that a recorder replaces. */
export class Wire implements NodeResponse {
  readonly response: ServerResponse
  readonly original: Record<'writeHead' | 'write' | 'end' | 'on' | 'destroy', Method>
  /** From here on what Node calls by itself, such as `writeHead`, is meant for the visitor. */
  isSending = false
  /** True while a method of the wire runs: over HTTP/2 Node's `end` calls `write`. */
  isWriting = false
  /** True while the application is told of a `drain` that is not the visitor's. */
  isPretending = false
  /** True while the visitor has to take something before more is sent. */
  isWaiting = false
  /** True once the application has broken its answer off. */
  isBroken = false

  constructor(response: ServerResponse) {
    const { writeHead, write, end, on, destroy } = response
    this.response = response
    this.original = { writeHead, write, end, on, destroy }
  }

  get statusCode(): number {
    return this.response.statusCode
  }
  set statusCode(status: number) {
    this.response.statusCode = status
  }
  get headersSent(): boolean {
    return this.isSending
  }
  get destroyed(): boolean {
    return this.response.destroyed
  }
  get stream(): NodeResponse['stream'] {
    return (this.response as Partial<NodeResponse>).stream
  }

  setHeader(name: string, value: string | readonly string[]): unknown {
    const { response } = this
    const whole = typeof value === 'string' ? extend(name, response.getHeader(name), value) : value
    return response.setHeader(name, whole)
  }
  getHeader(name: string): ReturnType<ServerResponse['getHeader']> {
    return this.response.getHeader(name)
  }
  getHeaderNames(): string[] {
    return this.response.getHeaderNames()
  }
  removeHeader(name: string): void {
    this.response.removeHeader(name)
  }

  writeHead(...parameters: never[]): unknown {
    return this.send(this.original.writeHead, parameters)
  }
  write(chunk: Uint8Array): boolean {
    this.isWaiting = this.send(this.original.write, [chunk]) === false
    return !this.isWaiting
  }
  end(...parameters: unknown[]): unknown {
    return this.send(this.original.end, parameters)
  }
  destroy(cause?: Error): unknown {
    return Reflect.apply(this.original.destroy, this.response, [cause])
  }

  on(event: string, listener: () => void): unknown {
    const heard = () => {
      if (this.isPretending) return
      this.isWaiting = false
      listener()
    }
    return Reflect.apply(this.original.on, this.response, [event, heard])
  }
  /** Who reads an answer that broke off hears of that before they hear that the connection is closed. */
  once(event: string, listener: () => void): unknown {
    return this.response.once(event, () =>
      this.isBroken ? void setImmediate(listener) : listener(),
    )
  }

  private send(method: Method, parameters: readonly unknown[]): unknown {
    this.isSending = this.isWriting = true
    try {
      return Reflect.apply(method, this.response, parameters)
    } finally {
      this.isWriting = false
    }
  }
}
