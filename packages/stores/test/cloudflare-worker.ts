/**
 * A Worker that runs the store cases where it is, one a request, and sells a page; bundled by `cloudflare.test.ts`.
 *
 * @module
 */
import { storeSuite } from '@polyrail/conformance'
import type { Store } from '@polyrail/core'
import { cloudflare } from '@polyrail/stores/cloudflare'
import { upstash } from '@polyrail/stores/upstash'
import { buy } from './shop.js'

export { PaymentStore } from '@polyrail/stores/cloudflare'

type Environment = {
  PAYMENTS: cloudflare.Namespace<object>
  KV: cloudflare.Namespace<object>
  UPSTASH: string
}

/** Made at the first request and kept for all, as servers keep theirs. */
let store: Store.Store | undefined

export default {
  async fetch(request: Request, { PAYMENTS, KV, UPSTASH }: Environment): Promise<Response> {
    const { pathname } = new URL(request.url)
    const payments = (store ??= cloudflare(PAYMENTS))
    const told = async (act: () => unknown) => {
      try {
        return Response.json({ told: (await act()) ?? null })
      } catch (cause) {
        return Response.json({ failed: cause instanceof Error ? cause.message : String(cause) })
      }
    }
    if (pathname === '/buy') return told(() => buy(payments))
    if (pathname === '/kv') return told(() => cloudflare(KV).name)
    if (pathname === '/keep')
      return told(() => payments.claim([{ key: 'kept', value: 1, ttl: 600 }]))
    if (pathname === '/upstash')
      return told(() => upstash({ url: UPSTASH, token: 'token' }).get('k'))
    const capabilities = { wakes: true, volatile: false }
    const cases = storeSuite(() => cloudflare(PAYMENTS), { capabilities })
    if (pathname === '/cases') return Response.json(cases.map(({ id, title }) => ({ id, title })))
    return told(() => cases.find(({ id }) => pathname === `/${id}`)?.run())
  },
}
