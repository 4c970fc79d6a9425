import { Tempo } from '@polyrail/sandbox/tempo'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'

const owner = fileURLToPath(new URL('owner.mjs', import.meta.url))

/** A process that owns a chain; it prints where anvil itself listens. */
async function spawnOwner(mode: string): Promise<{ child: ChildProcess; anvilUrl: string }> {
  const child = spawn(process.execPath, [owner, mode], { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('http')) return { child, anvilUrl: line }
  }
  throw new Error('the owner printed no URL')
}

/** Milliseconds until nothing listens any more. */
async function untilGone(url: string): Promise<number> {
  const begun = performance.now()
  while (await listens(Number(new URL(url).port))) {
    if (performance.now() - begun > 4_000) throw new Error(`${url} still listens`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - begun
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

describe('the chain ends with the process that started it', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('on %s', async (signal) => {
    const { child, anvilUrl } = await spawnOwner('wait')
    child.kill(signal)
    expect(await untilGone(anvilUrl)).toBeLessThan(2_000)
  })

  test.each(['exit', 'throw'])('on %s', async (mode) => {
    const { anvilUrl } = await spawnOwner(mode)
    expect(await untilGone(anvilUrl)).toBeLessThan(2_000)
  })

  test('stop lets the process end by itself', { timeout: 20_000 }, async () => {
    const { child } = await spawnOwner('stop')
    const code = await new Promise((resolve) => child.once('exit', resolve))
    expect(code).toBe(0)
  })
})

describe('start and stop', () => {
  test('prints one line with the URL, the chain id and the time, unless quiet', async () => {
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    await using chain = await Tempo.start({ log })
    await using _ = await Tempo.start({ log, quiet: true })
    expect(lines).toEqual([
      expect.stringMatching(/^Tempo chain 1337 at http:\/\/127\.0\.0\.1:\d+, ready in \d+ ms$/),
    ])
    expect(lines[0]).toContain(chain.rpcUrl)
  })

  test('is ready within two seconds', async () => {
    const begun = performance.now()
    await using chain = await Tempo.start({ quiet: true })
    expect(await chain.client().getChainId()).toBe(1337)
    expect(performance.now() - begun).toBeLessThan(2_000)
  })

  test('several chains at once are apart', async () => {
    const chains = await Promise.all(
      [1337, 1337, 31_337].map((chainId) => Tempo.start({ chainId, quiet: true })),
    )
    const [first, second, third] = chains as [Tempo.Chain, Tempo.Chain, Tempo.Chain]
    const { address } = await first.account({ amount: 9n })
    expect(await first.balance(address)).toBe(9n)
    expect(await second.balance(address)).toBe(0n)
    expect(await third.client().getChainId()).toBe(31_337)
    const paid = await third.client({ account: await third.account() }).token.transferSync({
      amount: 1n,
      to: address,
      token: third.tokens.pathUSD,
    })
    expect(paid.receipt.status).toBe('success')
    await Promise.all(chains.map((chain) => chain.stop()))
  })

  test('stop may be called twice and leaves no listener on the process', async () => {
    const count = () =>
      process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
    const before = count()
    for (let round = 0; round < 3; round++) {
      const chain = await Tempo.start({ quiet: true })
      expect(count()).toBe(before)
      await Promise.all([chain.stop(), chain.stop()])
      await expect(chain.balance(chain.tokens.pathUSD)).rejects.toThrow(/not running/)
    }
    expect(count()).toBe(before)
  })

  test('stop does not wait for calls that are hanging', async () => {
    const chain = await Tempo.start({ quiet: true })
    chain.fault({ fail: 'hang' })
    const silent = fetch(chain.rpcUrl, {
      method: 'POST',
      body: '{"id":1,"method":"eth_chainId"}',
    }).catch(() => 'cut')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await chain.stop()
    expect(await silent).toBe('cut')
  })

  test('stop ends what is under way with an error', async () => {
    const chain = await Tempo.start({ quiet: true })
    const underWay = Promise.allSettled(Array.from({ length: 100 }, () => chain.account()))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await chain.stop()
    const [last] = (await underWay).slice(-1)
    expect(last).toMatchObject({ reason: { message: 'the local chain is not running' } })
  })

  test('a long run leaves nothing in the home directory', { timeout: 20_000 }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'sandbox-home-'))
    vi.stubEnv('HOME', home)
    const chain = await Tempo.start({ quiet: true })
    vi.unstubAllEnvs()
    await fetch(chain.rpcUrl, {
      method: 'POST',
      body: '{"id":1,"method":"anvil_mine","params":["0x300"]}',
    })
    expect(await chain.client().getBlockNumber()).toBe(0x300n)
    await chain.stop()
    expect(await readdir(home)).toEqual([])
    await rm(home, { recursive: true })
  })

  test.each([4217, 42431, 31318, 1])('refuses the public chain id %i', async (chainId) => {
    await expect(Tempo.start({ chainId, quiet: true })).rejects.toThrow(/public network/)
  })

  test('a missing anvil is named, with what to install', async () => {
    // In a process of its own: package managers' launchers put the whole workspace on NODE_PATH.
    const module = new URL('../dist/tempo/anvil.js', import.meta.url)
    const script = `import { find } from '${module}'; find(['/nowhere'])`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_PATH: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    for await (const chunk of child.stderr) output += chunk
    expect(output).toContain('npm install --save-dev @foundry-rs/anvil')
  })

  test('a binary that is missing or no anvil is an error', async () => {
    await expect(Tempo.start({ binary: '/nowhere/anvil', quiet: true })).rejects.toThrow(/anvil/)
    await expect(Tempo.start({ binary: '/bin/true', quiet: true })).rejects.toThrow(/anvil ended/)
  })
})
