/**
 * Runs one command as one line of progress: its name, how long it took, and its output only when it failed.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository, with a trailing separator. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** What every child process sees: our binaries first on the path, and nothing that phones home or asks. */
export const env = {
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter),
  DO_NOT_TRACK: '1',
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  NPM_CONFIG_UPDATE_NOTIFIER: 'false',
  NO_UPDATE_NOTIFIER: '1',
}

/**
 * Runs `command` and prints `title` with the seconds that it took.
 *
 * @param {string} title what a reader of the log should know is going on
 * @param {readonly string[]} command the program and its arguments
 * @returns {Promise<boolean>} whether it exited with 0
 */
export async function step(title, command) {
  const started = performance.now()
  process.stdout.write(`· ${title} `)
  const ticking = setInterval(() => process.stdout.write('.'), 5000)
  const { code, output } = await exec(command)
  clearInterval(ticking)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`${code === 0 ? '✓' : `✗ exit ${code}`} ${seconds} s\n`)
  const loud =
    code === 0 ? output.split('\n').filter((line) => line.startsWith('!!!')) : [output.trimEnd()]
  for (const line of loud) process.stdout.write(`${line}\n`)
  return code === 0
}

/**
 * Hands the terminal over to `command` and waits for it.
 *
 * @param {readonly string[]} command the program and its arguments
 * @returns {Promise<number>} its exit code
 */
export async function hand(command) {
  return (await exec(command, { output: 'inherit' })).code
}

/**
 * Runs `command` to its end and keeps what it printed.
 *
 * @param {readonly string[]} command the program and its arguments
 * @param {{ cwd?: string, output?: 'pipe' | 'inherit' }} [options] in the root of the repository unless told
 * @returns {Promise<{ code: number, output: string }>} 127 where the program cannot be started
 */
export function exec([program = '', ...args], { cwd = root, output = 'pipe' } = {}) {
  return new Promise((resolve) => {
    const shell = process.platform === 'win32'
    const child = spawn(program, args, { cwd, env, shell, stdio: ['ignore', output, output] })
    /** @type {string[]} */
    const chunks = []
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => chunks.push(chunk))
    }
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 1, output: chunks.join('') }))
  })
}
