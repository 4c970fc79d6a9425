/**
 * The prober against a real HTTP server, by code and from the command line.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { probe, reference } from '@polyrail/conformance'
import { Mpp } from '@polyrail/core/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const rail = reference.token()
const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url))
const execute = promisify(execFile)
let server: Server
let origin: string

beforeAll(async () => {
  const mpp = Mpp.create({
    methods: [rail.server],
    realm: 'localhost',
    secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
  })
  const priced = Mpp.toNodeListener(
    mpp.token.charge({ amount: '10', currency: 'credits' })(async (request) =>
      Response.json({ got: await request.text() }),
    ),
  )
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/mint') return void response.end(rail.bank.mint('ann', 10n))
    if (pathname === '/paid' || pathname === '/other') return void priced(request, response)
    response.statusCode = pathname === '/free' ? 200 : 404
    response.end('not priced')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

describe('the prober', () => {
  it('passes a conforming server without paying, and says what it left out', async () => {
    const before = rail.settled()
    const report = await probe(`${origin}/paid`)
    expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
    expect(report.passed).toBeGreaterThan(20)
    expect(report.leftOut).toBeGreaterThan(5)
    expect(report.results.every(({ status, reason }) => status !== 'left out' || reason)).toBe(true)
    expect(rail.settled()).toBe(before)
  })

  it('runs every case when it is given a client, a body and another URL', async () => {
    const report = await probe(`${origin}/paid`, {
      client: rail.client,
      method: 'POST',
      body: '{"n":1}',
      other: `${origin}/other`,
      unsafe: true,
    })
    expect(report.results.filter(({ status }) => status !== 'passed')).toEqual([])
    expect(rail.settled()).toBeGreaterThan(0)
  })

  it('fails a server that gives the page away, and one that is not there', async () => {
    const free = await probe(`${origin}/free`)
    expect(free.failed).toBeGreaterThan(5)
    const gone = await probe('http://127.0.0.1:9/')
    expect(gone.failed).toBeGreaterThan(20)
    expect(gone.results.find(({ reason }) => reason?.includes('got no answer'))).toBeDefined()
  })

  it('stays within its requests and its time', async () => {
    let sent = 0
    const counted = (request: Request) => {
      sent += 1
      return fetch(request)
    }
    await probe(`${origin}/paid`, { requests: 10, fetch: counted })
    expect(sent).toBe(10)
    const report = await probe(`${origin}/paid`, { timeout: 1 })
    expect(report.results.some(({ reason }) => reason?.includes('time for the probe'))).toBe(true)
  })

  it.each<[string, Mute, string]>([
    ['headers never come', () => undefined, 'got no answer'],
    ['body trickles on', endless(100, 5), 'with a body that did not end'],
    ['body stops half-way', endless(100, 1_000_000), 'with a body that did not end'],
  ])(
    'keeps its time, and waits for nothing then, with a server whose %s',
    async (_, listener, reason) => {
      const mute = await open(listener)
      try {
        const started = Date.now()
        const report = await probe(mute.url, { timeout: 1000 })
        expect(Date.now() - started).toBeLessThan(3000)
        expect(report.results[0]?.reason).toContain(reason)
        expect(report.results.at(-1)?.status).not.toBe('passed')
        await mute.left()
        const command = execute(process.execPath, [bin, mute.url, '--timeout', '1'], {
          timeout: 8000,
        })
        await expect(command).rejects.toMatchObject({ code: 1, killed: false })
      } finally {
        mute.stop()
      }
    },
  )

  it('reads of a flood what the cases look at, and no more', async () => {
    let written = 0
    const flood = await open((_, response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536
      }
      response.writeHead(402, { 'www-authenticate': 'Payment id="x"' }).on('drain', pour)
      pour()
    })
    try {
      const report = await probe(flood.url, { requests: 1 })
      expect(report.results.some(({ reason }) => reason?.includes('did not end'))).toBe(false)
      await flood.left()
      expect(written).toBeLessThan(50_000_000)
    } finally {
      flood.stop()
    }
  })

  it('keeps its time with a wallet that never pays', async () => {
    const idle = { ...rail.client, createCredential: () => new Promise<never>(() => undefined) }
    const started = Date.now()
    const report = await probe(`${origin}/paid`, { client: idle, timeout: 1500 })
    expect(Date.now() - started).toBeLessThan(4000)
    expect(report.failed).toBeGreaterThan(0)
  })

  it('ends the command when its report is out, whatever the module of the client left running', async () => {
    const folder = await mkdtemp(fileURLToPath(new URL('../node_modules/.probe-', import.meta.url)))
    const module = join(folder, 'client.mjs')
    await writeFile(module, `${clientModule(`${origin}/mint`)}\nsetInterval(() => {}, 1000)`)
    try {
      const given = [bin, `${origin}/paid`, '--json', '--client', module]
      const { stdout } = await execute(process.execPath, given, { timeout: 20_000 })
      expect(JSON.parse(stdout)).toMatchObject({ failed: 0 })
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 30_000)

  it('prints one line a case and exits with 0 or 1', async () => {
    const { stdout } = await execute(process.execPath, [bin, `${origin}/paid`])
    expect(stdout).toContain('✓ challenge/unpaid-gets-402')
    expect(stdout).toMatch(/\d+ passed, 0 failed, \d+ left out\n$/)
    const failing = execute(process.execPath, [bin, `${origin}/free`])
    await expect(failing).rejects.toMatchObject({ code: 1 })
  })

  it('prints one JSON report, and pays with the client of a module', async () => {
    const folder = await mkdtemp(fileURLToPath(new URL('../node_modules/.probe-', import.meta.url)))
    const before = rail.settled()
    const module = join(folder, 'client.mjs')
    await writeFile(module, clientModule(`${origin}/mint`))
    try {
      const { stdout } = await execute(process.execPath, [
        bin,
        `${origin}/paid`,
        '--json',
        '--client',
        module,
      ])
      const report = JSON.parse(stdout)
      expect(report).toMatchObject({ url: `${origin}/paid`, failed: 0 })
      expect(Number(rail.settled())).toBeGreaterThan(Number(before))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('refuses a command that makes no sense with exit code 2', async () => {
    for (const given of [
      [],
      ['ftp://x'],
      [`${origin}/paid`, '--nonsense'],
      ['a', 'b'],
      [`${origin}/paid`, '--timeout', 'x'],
    ])
      await expect(execute(process.execPath, [bin, ...given])).rejects.toMatchObject({ code: 2 })
  })
})

type Mute = (request: IncomingMessage, response: ServerResponse) => void

/** Says 402, and then a little again and again. */
const endless =
  (size: number, gap: number): Mute =>
  (_, response) => {
    response.writeHead(402, { 'www-authenticate': 'Payment id="x"' })
    response.write('x'.repeat(size))
    const trickle = setInterval(() => response.write('x'.repeat(size)), gap)
    response.on('close', () => clearInterval(trickle))
  }

async function open(listener: Mute) {
  let waiting = 0
  const server = createServer((request, response) => {
    waiting += 1
    response.on('close', () => (waiting -= 1))
    listener(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    left: () => expect.poll(() => waiting, { timeout: 2000 }).toBe(0),
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const clientModule = (mint: string): string => `
import { Method } from '@polyrail/core'
const any = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const token = Method.from({ name: 'token', intent: 'charge', schema: { request: any, credential: { payload: any } } })
export default Method.toClient(token, {
  createCredential: async () => ({ payload: { token: await (await fetch(${JSON.stringify(mint)})).text() } }),
})
`
