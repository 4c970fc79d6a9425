/** A shop for any runtime: one function from Request to Response, on nothing but the core. */
import { Method, Mpp } from '@polyrail/core/server'

/** @template value @param {(value: unknown) => value is value} is */
const schema = (is) => ({
  '~standard': {
    version: /** @type {const} */ (1),
    vendor: 'test',
    /** @param {unknown} value */
    validate: (value) => (is(value) ? { value } : { issues: [{ message: 'is no good' }] }),
  },
})

/** @param {unknown} value @returns {value is { amount: string, currency: string }} */
const isPrice = (value) => /^[1-9]\d*$/.test(Object(value).amount)
/** @param {unknown} value @returns {value is { token: string }} */
const isProof = (value) => typeof Object(value).token === 'string'

const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: { request: schema(isPrice), credential: { payload: schema(isProof) } },
})

const books = { settled: 0, runs: 0 }

export const config = {
  methods: [
    Method.toServer(points, {
      replayKey: ({ credential }) => credential.payload.token,
      settle: async ({ credential }) => {
        books.settled++
        return { reference: credential.payload.token }
      },
    }),
  ],
  realm: 'api.example.com',
  secretKey: 'a secret of tests, forty bytes and longer',
  deadlines: { settle: 200, lease: 400 },
}

export const price = { amount: '10', currency: 'pts' }

/**
 * What the shop sells, by path.
 *
 * @type {Record<string, (request: Request) => Promise<Response>>}
 */
export const goods = {
  '/page': async (request) => {
    books.runs++
    return new Response(`the page${await request.text()}`)
  },
  '/throws': async () => {
    if (++books.runs % 2 === 1) throw new Error('inner workings')
    return new Response('mended')
  },
  '/slow': async () => {
    books.runs++
    await new Promise((passed) => setTimeout(passed, 1000))
    return new Response('slow')
  },
  '/events': async () =>
    new Response('data: 1\n\n', { headers: { 'content-type': 'text/event-stream' } }),
}

/** @returns {Response} the books, which start anew */
export function audit() {
  const response = Response.json(books)
  Object.assign(books, { settled: 0, runs: 0 })
  return response
}

/** @type {Record<string, (request: Request) => Promise<Response>> | undefined} */
let routes

/** Made at the first visit: Workers have no randomness before. */
function open() {
  const charge = Mpp.create(config).charge(price)
  /** @type {NonNullable<typeof routes>} */
  const made = {
    '/plain': async (request) => {
      const payment = await charge(request)
      return payment.status === 402
        ? payment.challenge
        : payment.withReceipt(new Response('the page'))
    },
  }
  for (const [path, good] of Object.entries(goods)) made[path] = charge(good)
  return made
}

/** @param {Request} request @returns {Promise<Response>} */
export async function serve(request) {
  const { pathname } = new URL(request.url)
  routes ??= open()
  if (pathname === '/audit') return audit()
  try {
    return (await routes[pathname]?.(request)) ?? new Response('', { status: 404 })
  } catch {
    return new Response('a page of errors', { status: 500 })
  }
}
