/**
 * A real PostgreSQL for the tests, on a free port and with data of its own.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** A running server, and how to stop it. */
export type Server = { port: number; url: string; stop(): Promise<void> }

/** The folder of PostgreSQL's programs; `undefined` when it is not here. */
const folder = findPostgres()

/** Why tests of PostgreSQL are left out, as a part of their title; where nothing may be, this fails instead. */
export const leftOut = whyLeftOut()

function whyLeftOut(): string | undefined {
  if (folder !== undefined) return undefined
  const why = 'PostgreSQL is not installed'
  if (process.env['POLYRAIL_REQUIRE_SERVICES'] === '1')
    throw new Error(`${why}, and POLYRAIL_REQUIRE_SERVICES is set`)
  console.warn(`!!! the ledger on PostgreSQL is left out: ${why}`)
  return `left out: ${why}`
}

/** Starts it, for a user `postgres` without a password and the database of that name. */
export async function startPostgres(): Promise<Server> {
  const bin = folder ?? ''
  const data = mkdtempSync(join(tmpdir(), 'polyrail-ledger-postgres-'))
  // It refuses to run as root.
  const who: { uid?: number; gid?: number } = userInfo().uid === 0 ? idsOf('postgres') : {}
  if (who.uid !== undefined && who.gid !== undefined) chownSync(data, who.uid, who.gid)
  const run = { ...who, stdio: 'ignore', cwd: data } as const
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
    run,
  )
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200']
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((set) => ['-c', set])]
  const child = spawn(join(bin, 'postgres'), args, run)
  await untilReady(join(bin, 'pg_isready'), port)
  return {
    port,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      const ended = once(child, 'exit')
      // At once, without waiting for clients.
      child.kill('SIGINT')
      await ended
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
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
