/**
 * The chain's process: finds anvil's binary, runs it on a free port, and never leaves it behind.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import * as path from 'node:path'
import type { Hex } from 'viem'

/**
 * Runs anvil in a process group of its own and ends the whole group when standard input ends, which the system sees to
 * however the parent dies, SIGKILL included. (Windows does the same through the job object that Node puts children in.)
 */
const leash = '"$@" 2>&1 & exec >/dev/null; read _; kill -9 0'

/** A start takes some 50 ms; this is for a machine under heavy load. */
const startTimeout = 20_000

/**
 * Starts anvil as a Tempo chain.
 *
 * @param options - `chainId`, and `binary` when anvil is not to be looked for.
 * @returns Its URL, the dev accounts' private keys, and `stop`, which resolves when the process is gone.
 * @throws Error that says what to install when the binary is missing, or what anvil printed when it did not start.
 */
export async function run({ binary = find(), chainId }: run.Options): Promise<run.Anvil> {
  const args = ['--network', 'tempo', '--hardfork', 'T4', '--chain-id', String(chainId)]
  // The last account is the sandbox's own purse, see funding.ts. Without a limit, anvil writes the states of old blocks to
  // the home directory (300 MB after 1,500 blocks) and leaves them there; transactions and receipts are kept all the same.
  args.push('--accounts', '11', '--port', '0', '--prune-history', '100')
  const windows = process.platform === 'win32'
  const [file, argv] = windows ? [binary, args] : ['/bin/sh', ['-c', leash, 'sh', binary, ...args]]
  const child = spawn(file, argv, { detached: !windows, stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => {})

  // `close`, unlike `exit`, waits for the end of the output, which anvil itself holds.
  let ended = false
  const gone = new Promise<void>((resolve) => {
    const onEnd = () => {
      ended = true
      resolve()
    }
    child.once('error', onEnd).once('close', onEnd)
  })
  const kill = () => {
    if (!ended) killGroup(child)
  }
  // Either half of the pair takes the other with it: the shell by `exit`, anvil by the end of its output.
  child.once('exit', kill)
  child.stdout.once('close', kill)
  const stop = () => {
    kill()
    return gone
  }

  try {
    const banner = await readBanner(child)
    const port = /Listening on \S+:(\d+)/.exec(banner)?.[1]
    const keys = [...banner.matchAll(/^\(\d+\) (0x[0-9a-f]{64})$/gm)].map(
      (match) => match[1] as Hex,
    )
    return { url: `http://127.0.0.1:${port}`, keys, gone, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

export declare namespace run {
  type Options = {
    chainId: number
    /** Path of anvil's binary. Default: that of the `@foundry-rs/anvil` package. */
    binary?: string | undefined
  }
  type Anvil = {
    url: string
    keys: Hex[]
    /** Resolves when the process has ended, for whatever reason. */
    gone: Promise<void>
    stop: () => Promise<void>
  }
}

/** What anvil prints until it listens. The output is drained from then on, or anvil would block on a full pipe. */
function readBanner(child: ChildProcess): Promise<string> {
  const output = child.stdout
  if (!output) throw new Error('anvil has no output')
  return new Promise<string>((resolve, reject) => {
    let text = ''
    const settle = (error?: Error) => {
      clearTimeout(timer)
      output.off('data', onData).off('close', onClose)
      child.off('error', settle)
      output.resume()
      if (error) reject(error)
      else resolve(text)
    }
    const onData = (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (/Listening on \S+:\d+/.test(text)) settle()
    }
    const onClose = () => settle(new Error(`anvil ended before it listened: ${text.trim()}`))
    const timer = setTimeout(
      () =>
        settle(new Error(`anvil did not listen within ${startTimeout / 1000} s: ${text.trim()}`)),
      startTimeout,
    )
    output.on('data', onData).on('close', onClose)
    child.on('error', settle)
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

/**
 * Finds anvil's binary in the platform package that `@foundry-rs/anvil` depends on. That package's install script, which
 * package managers often do not run, is not needed.
 *
 * @param roots - Folders to resolve from. Default: this package, then the working directory.
 * @returns The binary's path.
 * @throws Error that says what to install.
 */
export function find(roots: readonly string[] = [import.meta.dirname, process.cwd()]): string {
  const cpu = process.arch === 'x64' ? 'amd64' : process.arch
  const platformPackage = `@foundry-rs/anvil-${process.platform}-${cpu}`
  const executable = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  for (const root of roots) {
    try {
      const anvil = createRequire(path.join(root, '_')).resolve('@foundry-rs/anvil/package.json')
      const platform = createRequire(anvil).resolve(`${platformPackage}/package.json`)
      const binary = path.join(path.dirname(platform), 'bin', executable)
      accessSync(binary, constants.X_OK)
      return binary
    } catch {
      // Not from this root.
    }
  }
  throw new Error(
    `The local Tempo chain needs anvil: npm install --save-dev @foundry-rs/anvil ` +
      `(its optional dependency ${platformPackage} holds the binary), or pass { binary: '/path/to/anvil' }.`,
  )
}
