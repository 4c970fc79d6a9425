import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { events, listen, page, price, slowly, stream, type Framework, type Shop } from '../shop.js'

const home = fileURLToPath(new URL('../../', import.meta.url))
/** Where `@polyrail/adapters` is the package itself, and nothing is committed. */
const folderOf = (name: string) => join(home, 'node_modules', '.cache', name)

/** Next's own program. */
export const program = createRequire(import.meta.url).resolve('next/dist/bin/next')

const methods = ['GET', 'POST', 'DELETE', 'PATCH', 'OPTIONS']
const routes: Record<string, string[]> = {
  'around/page': methods,
  'around/json': ['POST'],
  'around/text': ['POST'],
  'around/users/[id]': ['GET'],
  'one/report': ['GET'],
  'two/report': ['GET'],
}
for (const path of ['throws', 'slow', 'missing', 'empty', 'stream', 'events', 'cookies', 'rails'])
  routes[`around/${path}`] = ['GET']

/** The shop of an app whose modules Next bundles and loads once: whatever shop is open. */
const counter = `import { Mpp } from '@polyrail/adapters/next'

const made = new WeakMap()

export function priced(path) {
  return (request, context) => {
    const { shop, handlers, price } = globalThis.polyrail
    if (!made.has(shop)) made.set(shop, build(shop, handlers, price))
    return made.get(shop)[path](request, context)
  }
}

function build(shop, handlers, price) {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const rails = mpp.compose(mpp.points.charge(price), ['gold/charge', price], mpp.silver.charge(price))
  const routes = Object.entries(handlers).map(([path, handler]) => {
    const guard = path === 'rails' ? rails : charge
    return [path, guard(handler)]
  })
  return Object.fromEntries(routes)
}
`

/** Without JSX, which Next takes for JavaScript below a node_modules. */
const layout = `import { createElement } from 'react'

export default ({ children }) => createElement('html', null, createElement('body', null, children))
`

/** Every answer gets them, as a CORS setting does. */
const config = `export default {
  turbopack: { root: ${JSON.stringify(join(home, '..', '..'))} },
  headers: () => [{ source: '/:path*', headers: [{ key: 'access-control-allow-origin', value: 'https://shop.example' }] }],
}
`

function write(app: string): void {
  rmSync(app, { recursive: true, force: true })
  const put = (file: string, text: string) => {
    mkdirSync(dirname(join(app, file)), { recursive: true })
    writeFileSync(join(app, file), text)
  }
  put('next.config.mjs', config)
  put('counter.js', counter)
  put('app/layout.js', layout)
  for (const [path, methods] of Object.entries(routes)) {
    const lines = methods.map((method) => `export const ${method} = handler\n`).join('')
    const up = '../'.repeat(path.split('/').length + 1)
    const text = `import { priced } from '${up}counter.js'\n\nconst handler = priced('${path.replace(/^(around|one|two)\//, '')}')\n${lines}`
    put(`app/${path}/route.js`, text)
  }
}

type Context = { params: Promise<{ id: string }> }
type Handler = (request: Request, context: Context) => Response | Promise<Response>

const handlers = (shop: Shop): Record<string, Handler> => ({
  page: async () => new Response(await page(shop, '/page')),
  throws: async () => new Response(await page(shop, '/throws')),
  slow: async () => new Response(await page(shop, '/slow')),
  report: async () => new Response(await page(shop, '/report')),
  missing: async () => new Response(await page(shop, '/missing'), { status: 404 }),
  empty: () => new Response(null, { status: 204 }),
  'users/[id]': async (_, { params }) => new Response(await shop.user((await params).id)),
  json: async (request) => Response.json({ got: await request.json() }),
  text: async (request) => new Response(await request.text()),
  stream: () => new Response(stream(slowly())),
  events: () =>
    new Response(stream(events()), { headers: { 'content-type': 'text/event-stream' } }),
  cookies: () => {
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ])
    return new Response('the page', { headers })
  },
  rails: () => new Response('the page'),
})

/** Builds the app into a folder of this name. */
export async function build(name: string): Promise<string> {
  const app = folderOf(name)
  write(app)
  const env = { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' } as const
  await promisify(execFile)(process.execPath, [program, 'build', app], { env, cwd: app })
  return app
}

/** Makes a shop that of the apps of this process. */
export const place = (shop: Shop): unknown =>
  Object.assign(globalThis, { polyrail: { shop, handlers: handlers(shop), price } })

let running: Promise<RequestListener> | undefined

async function start(): Promise<RequestListener> {
  const dir = await build('next-shop')
  const { default: createNext } = (await import('next')) as unknown as {
    default: (options: object) => { prepare(): Promise<void>; getRequestHandler(): RequestListener }
  }
  const server = createNext({ dev: false, dir })
  await server.prepare()
  return server.getRequestHandler()
}

export const next: Framework = {
  name: 'Next.js',
  hasPatterns: false,
  hasMiddleware: false,
  forms: ['around'],
  recordsBefore: false,
  protocols: ['HTTP/1.1'],
  async open(shop) {
    const answer = await (running ??= start())
    place(shop)
    return listen(http.createServer(answer))
  },
}
