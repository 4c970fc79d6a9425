/** A real nginx in front of a server, its buffers as they come. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Opened } from './shop.js'

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
export const nginx = folders.map((folder) => join(folder, 'nginx')).find(existsSync)

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

const config = (ports: { plain: number; http2: number }, { host }: URL) => `
daemon off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${name};`).join(' ')}
  server {
    listen 127.0.0.1:${ports.plain};
    listen 127.0.0.1:${ports.http2} http2;
    location / { proxy_pass http://${host}; proxy_http_version 1.1; proxy_set_header Host $http_host; }
  }
}
`

/** Opens both of its doors: HTTP/1.1, and HTTP/2 in the clear. */
export async function inFront(origin: string): Promise<Opened & { http2: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-nginx-'))
  const ports = { plain: await freePort(), http2: await freePort() }
  writeFileSync(join(folder, 'nginx.conf'), config(ports, new URL(origin)))
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : []
  const options = ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr', ...user]
  const child = spawn(nginx as string, options, { stdio: ['ignore', 'ignore', 'inherit'] })
  const front = `http://127.0.0.1:${ports.plain}`
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(front).then(
        () => true,
        () => false,
      )
    )
      break
    await pause(20)
  }
  return {
    origin: front,
    http2: `http://127.0.0.1:${ports.http2}`,
    async close() {
      child.kill('SIGTERM')
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}
