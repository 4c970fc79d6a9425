/**
 * A request and its response on Node, between a payment handler and an application that writes as it likes.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Mpp } from '@polyrail/core/server'
import type { NodeRequest, NodeResponse } from './messages.js'
import { record } from './recorder.js'
import { Wire } from './wire.js'

/**
 * Lets an application answer once it is paid for. What it writes is recorded, and goes out with the
 * receipt; unpaid, it does not run.
 *
 * @param options.url - The URL as the visitor wrote it, where a router has cut it short.
 */
export async function exchange(
  handler: Mpp.Handler,
  { request, response, url = request.url }: exchange.Options,
  application: () => unknown,
): Promise<void> {
  const seen = new Seen(request as Incoming, url)
  const wire = new Wire(response as ServerResponse)
  const route = handler(() => {
    seen.handOver()
    return record(wire, application)
  })
  await Mpp.toNodeListener(route)(seen, wire)
}

export declare namespace exchange {
  type Options = { request: NodeRequest; response: NodeResponse; url?: string | undefined }
}

type Incoming = IncomingMessage & Pick<NodeRequest, 'rawBody' | 'stream'>

/** The request as core sees it. */
class Seen implements NodeRequest {
  readonly url: string | undefined
  private readonly request: Incoming
  private isRead = false
  private isHandedOver = false

  constructor(request: Incoming, url: string | undefined) {
    this.request = request
    this.url = url
  }

  get method(): string | undefined {
    return this.request.method
  }
  get headers(): NodeRequest['headers'] {
    return this.request.headers
  }
  get headersDistinct(): NodeRequest['headersDistinct'] {
    return this.request.headersDistinct
  }
  get socket(): unknown {
    return this.request.socket
  }
  get stream(): NodeRequest['stream'] {
    return this.request.stream
  }
  get readableDidRead(): boolean {
    return this.request.readableDidRead
  }
  get rawBody(): Uint8Array | string | undefined {
    return this.request.rawBody
  }
  set rawBody(bytes: Uint8Array | string | undefined) {
    this.request.rawBody = bytes
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    // Core makes a Request of every message, but here the application reads the message itself.
    if (this.isHandedOver) return
    this.isRead = true
    yield* this.request as AsyncIterable<Uint8Array>
  }

  /** From here on the application reads. A body that core has read begins anew, for parsers that come after. */
  handOver(): void {
    this.isHandedOver = true
    if (!this.isRead) return
    // An iterator leaves its listener behind, with which nothing flows.
    this.request.removeAllListeners('readable')
    // A stream is begun as IncomingMessage's own constructor begins it.
    Readable.call(this.request)
    if (this.rawBody !== undefined) this.request.push(this.rawBody)
    this.request.push(null)
  }
}
