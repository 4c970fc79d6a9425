/**
 * What stands between a server and its chain, for tests that take it away: the line to the node, and the node's process.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Lays a line to a server that can be cut, so that connections break and new ones are refused, and mended. */
export async function lay(target: string) {
  const { port: far } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const other = connect(Number(far), '127.0.0.1')
    for (const [socket, peer] of [
      [near, other],
      [other, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        peer.destroy()
      })
    }
    near.pipe(other).pipe(near)
  })
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    mend: () => listen(port),
    async cut() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

type Row = { pid: number; parent: number; name: string }

function processes(): Row[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' })
  return [...table.matchAll(/^\s*(\d+)\s+(\d+)\s+(.*)$/gm)].map(([, pid, parent, name = '']) => ({
    pid: Number(pid),
    parent: Number(parent),
    name,
  }))
}

/** The processes of the chains that this one has started: each is the child of a child, which keeps it on a leash. */
export function nodes(): number[] {
  const rows = processes()
  const leashes = new Set(rows.filter(({ parent }) => parent === process.pid).map(({ pid }) => pid))
  return rows
    .filter(({ parent, name }) => leashes.has(parent) && name.includes('anvil'))
    .map(({ pid }) => pid)
}
