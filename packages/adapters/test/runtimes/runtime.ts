/** Other runtimes than Node, as npm brings them, each serving a shop from packed packages. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import type { Opened } from '../shop.js'

const { platform, arch } = process
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const repository = here('../../../../')

/** The program inside the package for this platform; nothing where there is none. */
function find(owner: string, platformPackage: string, program: string): string | undefined {
  try {
    const require = createRequire(createRequire(import.meta.url).resolve(`${owner}/package.json`))
    return join(dirname(require.resolve(`${platformPackage}/package.json`)), program)
  } catch {
    return undefined
  }
}

const arm = (other: string, x64 = 'x64') => (arch === 'arm64' ? other : x64)
const libc = platform === 'linux' ? '-glibc' : ''
export const programs = {
  Bun: find('bun', `@oven/bun-${platform}-${arm('aarch64')}`, 'bin/bun'),
  Deno: find('deno', `@deno/${platform}-${arch}${libc}`, 'deno'),
  workerd: find('workerd', `@cloudflare/workerd-${platform}-${arm('arm64', '64')}`, 'bin/workerd'),
}
export type Runtime = keyof typeof programs

/** An empty project with our packages as npm would lay them, and the frameworks. */
export function createProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'polyrail-runtimes-'))
  const modules = join(project, 'node_modules')
  for (const name of ['core', 'adapters']) {
    const target = join(modules, '@polyrail', name)
    mkdirSync(target, { recursive: true })
    const options = { cwd: join(repository, 'packages', name), encoding: 'utf8' } as const
    const pnpm = join(repository, 'node_modules', '.bin', 'pnpm')
    const output = execFileSync(pnpm, ['pack', '--json', '--pack-destination', project], options)
    const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string }
    execFileSync('tar', ['-xzf', filename, '-C', target, '--strip-components=1'])
  }
  for (const name of ['hono', 'elysia'])
    symlinkSync(realpathSync(here(`../../node_modules/${name}`)), join(modules, name))
  for (const file of ['shop.js', 'hono.js', 'elysia.js'])
    copyFileSync(here(`./${file}`), join(project, file))
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  return project
}

export const removeProject = (project: string) => rmSync(project, { recursive: true })

const serving = {
  Bun: `console.log('port ' + Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: serve }).port)`,
  Deno: `Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: ({ port }) => console.log('port ' + port) }, serve)`,
  workerd: `export default { fetch: serve }`,
}

/** Serves a shop of the project. */
export async function open(runtime: Runtime, project: string, shop: string): Promise<Opened> {
  const entry = join(project, `${runtime}-${shop}`)
  writeFileSync(entry, `import { serve } from './${shop}'\n${serving[runtime]}\n`)
  return runtime === 'workerd' ? openWorker(project, entry) : openProcess(runtime, project, entry)
}

async function openProcess(
  runtime: 'Bun' | 'Deno',
  project: string,
  entry: string,
): Promise<Opened> {
  const parameters = runtime === 'Bun' ? [entry] : ['run', '--allow-all', '--no-lock', entry]
  const child = spawn(programs[runtime] as string, parameters, {
    cwd: project,
    env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface(child.stdout)) {
    const port = /^port (\d+)/.exec(line)?.[1]
    if (port) return { origin: `http://127.0.0.1:${port}`, close: () => end(child) }
  }
  throw new Error(`${runtime} ended before it served.`)
}

async function openWorker(project: string, entry: string): Promise<Opened> {
  await build({
    configFile: false,
    logLevel: 'silent',
    root: project,
    // As Workers' own tools bundle.
    resolve: { conditions: ['workerd', 'worker', 'browser'] },
    build: {
      lib: { entry, formats: ['es'], fileName: () => 'worker.js' },
      outDir: `${entry}-dist`,
      minify: false,
    },
  })
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  const modules = '(name = "worker", esModule = embed "worker.js")'
  writeFileSync(
    join(`${entry}-dist`, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "shop", worker = (modules = [${modules}], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "shop")],
);
`,
  )
  const child = spawn(
    programs.workerd as string,
    ['serve', join(`${entry}-dist`, 'config.capnp')],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  const origin = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 200; tries++) {
    if (
      await fetch(`${origin}/audit`).then(
        () => true,
        () => false,
      )
    )
      break
    await pause(20)
  }
  return { origin, close: () => end(child) }
}

async function end(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** What runs here, in words. */
export function versionOf(runtime: Runtime): string {
  const [line = ''] = execFileSync(programs[runtime] as string, ['--version'], {
    encoding: 'utf8',
  }).split('\n')
  return line.replace(/^\D+/, '')
}
