/**
 * Payments on `node:http` and `node:http2`.
 *
 * @module
 */
import { Mpp as Core } from '@polyrail/core/server'
import { exchange } from './exchange.js'
import type { NodeRequest, NodeResponse } from './messages.js'
import { adapt, AT, type Adapter, type Priced } from './routes.js'

/** A price on a route: asked before you answer, or around a listener. */
export interface Guard extends Priced {
  <request extends NodeRequest, response extends NodeResponse>(
    listener: (request: request, response: response) => unknown,
  ): (request: request, response: response) => Promise<void>
  (request: NodeRequest, response: NodeResponse): Promise<Core.Payment>
}

/**
 * A payment server as in `@polyrail/core/server`, whose prices are for Node's own listeners.
 *
 * Around a listener the answer is recorded, and the same credential gets it again. Asked before, the
 * credential is used up by the first answer below 400. Node knows no routes: the path is bound, or
 * what `scope` says.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * http.createServer(mpp.charge({ amount: '0.01' })((req, res) => res.end('the report')))
 * @example
 * const payment = await mpp.charge({ amount: '0.01' })(req, res)
 * if (payment.status === 200) res.end('the report')
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  const handler = at(undefined)
  const ask = Core.toNodeListener(handler)
  function guard<request extends NodeRequest, response extends NodeResponse>(
    listener: (request: request, response: response) => unknown,
  ): (request: request, response: response) => Promise<void>
  function guard(request: NodeRequest, response: NodeResponse): Promise<Core.Payment>
  function guard(first: Listener | NodeRequest, response?: NodeResponse) {
    if (typeof first !== 'function') return ask(first, response as NodeResponse)
    return (request: NodeRequest, response: NodeResponse) =>
      exchange(handler, { request, response }, () => first(request, response))
  }
  return Object.assign(guard, { [AT]: at })
})

type Listener = (request: NodeRequest, response: NodeResponse) => unknown
