/**
 * Real servers for the tests, each on a free port and with data of its own, stopped with the tests.
 *
 * @module
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

/** A running server, and how to stop it. */
export type Server = { port: number; stop(): Promise<void> }

const required = process.env['POLYRAIL_REQUIRE_SERVICES'] === '1'

/** Where `redis-server` or `valkey-server` is; `undefined` when it is not here. */
export const redisBinary = find('redis-server') ?? find('valkey-server')
/** The folder of PostgreSQL's programs. */
export const postgresFolder = findPostgres()

/**
 * Says why tests are left out, as a part of their title; fails instead where nothing may be.
 *
 * @param found - What the tests need.
 */
export function leftOut(name: string, found: string | undefined): string | undefined {
  if (found !== undefined) return undefined
  const why = `${name} is not installed`
  if (required) throw new Error(`${why}, and POLYRAIL_REQUIRE_SERVICES is set`)
  console.warn(`!!! ${name} left out: ${why}`)
  return `left out: ${why}`
}

/** Starts Redis with an append-only file. */
export async function startRedis(...more: readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const child = spawn(redisBinary ?? '', [...args, '--appendonly', 'yes', ...more], {
    stdio: 'ignore',
  })
  await reachable(port, child)
  return { port, stop: () => end(child, 'SIGTERM', folder) }
}

/** Starts a cluster of three. */
export async function startCluster(): Promise<{ ports: number[]; stop(): Promise<unknown> }> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']
  const nodes = await Promise.all(Array.from({ length: 3 }, () => startRedis(...settings)))
  const ports = nodes.map(({ port }) => port)
  const slots = [0, 5461, 10_923, 16_384]
  const clients = ports.map((port) => new Redis(port))
  for (const [index, client] of clients.entries()) {
    const [first = 0, end = 0] = slots.slice(index)
    await client.cluster('ADDSLOTS', ...Array.from({ length: end - first }, (_, n) => first + n))
    await client.cluster('SET-CONFIG-EPOCH', index + 1)
  }
  for (const client of clients) {
    for (const port of ports) await client.cluster('MEET', '127.0.0.1', port)
    client.disconnect()
  }
  for (const port of ports) await untilWhole(port)
  return { ports, stop: () => Promise.all(nodes.map(({ stop }) => stop())) }
}

async function untilWhole(port: number): Promise<void> {
  const client = new Redis(port)
  for (let said = ''; !/cluster_state:ok[^]*cluster_known_nodes:3/.test(said);) {
    await new Promise((again) => setTimeout(again, 50))
    said = await client.cluster('INFO')
  }
  client.disconnect()
}

/** Starts PostgreSQL, for a user `postgres` without a password and the database of that name. */
export async function startPostgres(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-postgres-'))
  const bin = postgresFolder ?? ''
  // It refuses to run as root.
  const who = userInfo().uid === 0 ? idsOf('postgres') : undefined
  if (who) chownSync(folder, who.uid, who.gid)
  const init = ['-D', folder, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  execFileSync(join(bin, 'initdb'), init, { ...who, stdio: 'ignore', cwd: folder })
  const port = await freePort()
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
  }
  const set = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', folder, '-p', String(port), ...set]
  const child = spawn(join(bin, 'postgres'), args, { ...who, stdio: 'ignore', cwd: folder })
  await reachable(port, child)
  // The port is open a little before it takes clients.
  await untilReady(join(bin, 'pg_isready'), port)
  // SIGINT: at once, without waiting for clients.
  return { port, stop: () => end(child, 'SIGINT', folder) }
}

/** A port that nobody has just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function find(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/** Debian keeps each version in a folder of its own, and none on the path. */
function findPostgres(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const folders = existsSync(versions)
    ? readdirSync(versions)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
    : []
  return [...folders, ...(process.env['PATH'] ?? '').split(':')].find((folder) =>
    existsSync(join(folder, 'initdb')),
  )
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise((again) => setTimeout(again, 50))
  }
  throw new Error('the server does not open its port')
}

async function untilReady(program: string, port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      execFileSync(program, ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
      return
    } catch (cause) {
      if (tries === 200) throw cause
    }
    await new Promise((again) => setTimeout(again, 50))
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals, folder: string): Promise<void> {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
  rmSync(folder, { recursive: true, force: true })
}
