/**
 * How a framework's server is started in a process of its own: built once, and open when it has answered a visitor.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { forked, orDie, type Start } from '@polyrail/street/street'
import { build } from 'vite'
import { build as buildNext, program } from './servers/next.js'
import type { Setting } from './till.js'
import { ask } from './visit.js'

const home = fileURLToPath(new URL('../', import.meta.url))
const outDir = join(home, 'node_modules', '.cache', 'till')
const till = join(outDir, 'till.mjs')
let app: string | undefined

/** Makes JavaScript of `till.ts` and of the servers, for Nodes that read nothing else. */
export async function buildTills(): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'silent',
    root: home,
    publicDir: false,
    // Not found by its own name from within a node_modules.
    ssr: { external: true, noExternal: ['@polyrail/adapters'] },
    build: {
      ssr: 'test/till.ts',
      outDir,
      emptyOutDir: true,
      rolldownOptions: { output: { entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' } },
    },
  })
}

/** Starts servers of a framework. */
export async function starting(setting: Setting): Promise<Start> {
  const env = { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' } as const
  const ours = { ...env, POLYRAIL_TILL: JSON.stringify(setting) }
  if (setting.framework !== 'Next.js') return answering(forked(till, [], { env: ours }))
  app ??= await buildNext('next-till')
  return answering(nextStart(app, ours))
}

/** `next start`, which gets its shop before all else. */
const nextStart =
  (app: string, env: NodeJS.ProcessEnv): Start =>
  async () => {
    const child = fork(program, ['start', app, '--port', '0', '--hostname', '127.0.0.1'], {
      env,
      execArgv: ['--import', pathToFileURL(till).href],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let said = ''
    const port = await orDie(
      child,
      new Promise<string>((found) => {
        child.stdout?.on('data', (data: Buffer) => {
          said += data.toString()
          const port = /http:\/\/127\.0\.0\.1:(\d+)\s/.exec(said)?.[1]
          if (port) found(port)
        })
      }),
    )
    return { child, port: Number(port) }
  }

/** A port may be open before its server answers, and routes are loaded when they are first asked for. */
const answering =
  (start: Start): Start =>
  async () => {
    const shop = await start()
    try {
      const url = `http://127.0.0.1:${shop.port}/around/users/nobody`
      const { status, text } = await ask['HTTP/1.1'](url)
      if (status !== 402) throw new Error(`a shop opened with ${status}: ${text}`)
      return shop
    } catch (cause) {
      shop.child.kill('SIGKILL')
      throw cause
    }
  }
